//! What a flow may know of the world around the node: environment variables, secrets, chance, waiting.

use std::path::PathBuf;
use std::time::Duration;

use flow::services::{Answer, Environment, ServiceError, Timers};

/// The environment of this process and the secrets in the data folder.
#[derive(Debug)]
pub(super) struct NodeEnvironment {
    /// Each secret is a file in this folder, named as it is referred to.
    pub(super) secrets_dir: PathBuf,
}

impl Environment for NodeEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn secret(&self, name: &str) -> Result<String, ServiceError> {
        let error = |what: String| ServiceError(format!("secret `{name}` {what}"));
        let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_name) {
            return Err(error("has no valid name: use a-z, A-Z, 0-9, `-`, `_`, `.`".to_owned()));
        }
        let path = self.secrets_dir.join(name);
        let text = std::fs::read_to_string(&path)
            .map_err(|cause| error(format!("cannot be read: put it into the file {} ({cause})", path.display())))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn seed(&self) -> u64 {
        crate::clock::random_u64()
    }

    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::system()
    }
}

/// The clock of the runtime.
#[derive(Debug)]
pub(super) struct RuntimeTimers;

impl Timers for RuntimeTimers {
    fn sleep(&self, span: Duration) -> Answer<()> {
        Box::pin(tokio::time::sleep(span))
    }
}
