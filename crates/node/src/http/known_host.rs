//! By which host names browsers reach the node. A page on the web can point a name of its own at 127.0.0.1 and would then
//! be of the same origin as the node (DNS rebinding); addresses cannot be taken that way.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};

use super::Problem;

/// Refuses a request that names the node by a foreign host name. `key` is where names are configured.
pub(crate) fn check_host(headers: &HeaderMap, host_names: &[String], key: &str) -> Result<(), Problem> {
    let host = match headers.get(HOST).map(|value| value.to_str()) {
        Some(Ok(host)) => host,
        // HTTP/1.0 needs no Host; no browser speaks it.
        None => return Ok(()),
        Some(Err(_)) => "",
    };
    if is_known_host(host, host_names) {
        return Ok(());
    }
    let shown: String = host.chars().take(80).collect();
    let detail = format!("this node is not called `{shown}`; use its IP address, or add the name to `{key}`");
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
}

/// Whether a Host field names the node: by an address, as `localhost` or by a configured name.
pub(crate) fn is_known_host(host: &str, host_names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    address(name).is_some()
        || name.eq_ignore_ascii_case("localhost")
        || host_names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether two names or addresses, each with or without a port, are those of one machine, however loopback is written.
pub(crate) fn is_same_host(left: &str, right: &str) -> bool {
    let (Ok(left), Ok(right)) = (left.parse::<Authority>(), right.parse::<Authority>()) else { return false };
    left.host().eq_ignore_ascii_case(right.host()) || is_loopback(left.host()) && is_loopback(right.host())
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || address(name).is_some_and(|address| address.is_loopback())
}

fn address(name: &str) -> Option<IpAddr> {
    name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name).parse().ok()
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
            assert_eq!(is_known_host(host, &names), known, "{host}");
        }
    }

    #[test]
    fn a_host_is_the_same_whatever_its_port_and_loopback_whatever_its_name() {
        for (left, right, same) in [
            ("10.0.0.7:8083", "10.0.0.7:8080", true),
            ("Edge.example", "edge.example:80", true),
            ("localhost:8083", "127.0.0.1:3000", true),
            ("[::1]:8083", "127.0.0.2", true),
            ("10.0.0.7:8083", "10.0.0.8:8083", false),
            ("edge.example", "sub.edge.example", false),
            ("localhost", "localhost.evil.example", false),
            ("", "", false),
        ] {
            assert_eq!(is_same_host(left, right), same, "{left} {right}");
        }
    }
}
