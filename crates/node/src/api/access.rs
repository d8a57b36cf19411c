//! Who may use the API: the bearer of the admin token, or, once and for an hour, the bearer of the setup code.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use message::{Moment, limits};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use super::ApiState;
use crate::http::Problem;

/// The secrets that open the API.
pub(crate) struct Access {
    token: String,
    setup: Mutex<Option<SetupCode>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

/// A code that is exchanged for the token once.
struct SetupCode {
    code: String,
    ends: Moment,
}

impl Access {
    /// `setup_code` is the one of the link that was printed at `now`.
    pub(crate) fn new(token: String, setup_code: Option<String>, now: Moment) -> Self {
        let setup = setup_code.map(|code| SetupCode { code, ends: now + limits::SETUP_CODE_LIFE });
        Self { token, setup: Mutex::new(setup) }
    }

    /// Whether this is the token.
    fn admits(&self, token: &str) -> bool {
        same(&self.token, token)
    }

    /// Gives the token for the code: once, and not after its time.
    pub(crate) fn exchange(&self, code: &str, now: Moment) -> Option<String> {
        let mut setup = self.setup.lock();
        let good = setup.as_ref().is_some_and(|setup| now < setup.ends && same(&setup.code, code));
        if good {
            *setup = None;
        }
        good.then(|| self.token.clone())
    }
}

/// Compares in a time that says nothing about where two texts differ.
fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// Lets requests with the token through.
pub(super) async fn require_token(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    match bearer(&request) {
        Some(token) if api.access.admits(token) => next.run(request).await,
        Some(_) => unauthorized("invalid_token", "this token is not the node's; DATA_DIR/admin-token holds it"),
        None => unauthorized("invalid_request", "send the token of DATA_DIR/admin-token as `Authorization: Bearer …`"),
    }
}

/// Lets requests for figures through: with the token, or without one when only this machine reaches the listener.
pub(super) async fn require_token_off_loopback(state: State<ApiState>, request: Request, next: Next) -> Response {
    if crate::config::is_remote(state.addresses.web) {
        require_token(state, request, next).await
    } else {
        next.run(request).await
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(error: &str, detail: &str) -> Response {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = match error {
        "invalid_request" => "Bearer realm=\"headwater\"".to_owned(),
        error => format!("Bearer realm=\"headwater\", error=\"{error}\""),
    };
    if let Ok(value) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_setup_code_is_good_once() {
        let start = Moment::default();
        let access = Access::new("token".to_owned(), Some("code".to_owned()), start);
        assert_eq!(access.exchange("other", start), None);
        assert_eq!(access.exchange("code", start), Some("token".to_owned()));
        assert_eq!(access.exchange("code", start), None);
    }

    #[test]
    fn the_setup_code_ends_after_an_hour() {
        let start = Moment::default();
        let access = Access::new("token".to_owned(), Some("code".to_owned()), start);
        assert_eq!(access.exchange("code", start + Duration::from_secs(3600)), None);
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let access = Access::new("token".to_owned(), None, Moment::default());
        for (token, good) in [("token", true), ("toke", false), ("tokens", false), ("", false)] {
            assert_eq!(access.admits(token), good, "{token}");
        }
    }
}
