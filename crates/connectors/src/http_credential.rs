//! How an `http-request` says who it is. What is secret stands in the node, never in the flow.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flow::check::Checker;
use flow::services::Environment;
use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

/// Says who the node is, by the `Authorization` field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Credential {
    /// A user name and a password.
    Basic {
        /// The user name.
        user: String,
        /// The password, as `secret://name`.
        password: String,
    },
    /// A token.
    Bearer {
        /// The token, as `secret://name`.
        token: String,
    },
}

/// How a setting names a secret of the node.
const SECRET: &str = "secret://";

impl Credential {
    /// Reports a secret that stands in the flow itself, and what cannot be sent.
    pub(crate) fn check(&self, checker: &mut Checker<'_>) {
        let (setting, reference) = self.secret();
        if reference.strip_prefix(SECRET).is_none_or(str::is_empty) {
            let what = format!("the {setting} stands in the flow, where everyone can read it");
            checker.problem(&format!("credential.{setting}"), what, "keep it on the node and write `secret://name`");
        }
        if let Self::Basic { user, .. } = self
            && user.contains([':', '\r', '\n'])
        {
            checker.problem("credential.user", "the user name holds `:` or a line break", "correct the name");
        }
    }

    /// The value of the `Authorization` field, with the secret from the node.
    pub(crate) fn resolve(&self, environment: &dyn Environment) -> Result<HeaderValue, String> {
        let (setting, reference) = self.secret();
        let name = reference
            .strip_prefix(SECRET)
            .ok_or_else(|| format!("credential.{setting} is no `secret://name`: keep the {setting} on the node"))?;
        let secret = environment.secret(name).map_err(|error| error.to_string())?;
        let text = match self {
            Self::Basic { user, .. } => format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))),
            Self::Bearer { .. } => format!("Bearer {}", secret.trim_end_matches(['\r', '\n'])),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| format!("the secret `{name}` holds characters that cannot be sent: set it anew"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn secret(&self) -> (&'static str, &str) {
        match self {
            Self::Basic { password, .. } => ("password", password),
            Self::Bearer { token } => ("token", token),
        }
    }
}
