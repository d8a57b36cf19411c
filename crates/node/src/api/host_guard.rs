//! Refuses requests that name the node by a foreign host name. A page on the web can point a name of its own at
//! 127.0.0.1 and would then be of the same origin as the node (DNS rebinding); addresses cannot be taken that way.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use crate::http::Problem;

pub(super) async fn require_known_host(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let host = match request.headers().get(HOST).map(|value| value.to_str()) {
        Some(Ok(host)) => host,
        // HTTP/1.0 needs no Host; no browser speaks it.
        None => return next.run(request).await,
        Some(Err(_)) => "",
    };
    if is_known(host, &api.config.listeners.web.host_names) {
        return next.run(request).await;
    }
    let shown: String = host.chars().take(80).collect();
    let detail =
        format!("this node is not called `{shown}`; use its IP address, or add the name to `listeners.web.host_names`");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}

/// Whether a Host field names the node: by an address, as `localhost` or by a configured name.
fn is_known(host: &str, host_names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || host_names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_configured_names_are_known() {
        let names = ["edge-7.plant.example".to_owned()];
        for (host, known) in [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("192.168.1.5:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("edge-7.plant.example:8080", true),
            ("Edge-7.Plant.Example", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
            ("[::1", false),
        ] {
            assert_eq!(is_known(host, &names), known, "{host}");
        }
    }
}
