//! Who may open a WebSocket, and the words for those who may not. A browser lets any page open one to anywhere and says
//! only whose page it is: the node has to look, as it looks at the host names of its web listener.

use axum::http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

use crate::http::{Problem, is_known_host, is_same_host};

/// The one path, by the custom of MQTT clients.
const PATH: &str = "/mqtt";
/// The one subprotocol (MQTT 5.0 section 6).
pub(super) const SUBPROTOCOL: &str = "mqtt";
/// Of RFC 6455.
pub(super) const VERSION: &str = "13";

/// Decides who may open a WebSocket.
#[derive(Debug)]
pub struct Gate {
    allowed_origins: Vec<String>,
    host_names: Vec<String>,
}

impl Gate {
    /// `allowed_origins` are those of pages from elsewhere, `host_names` the names by which browsers reach this node.
    pub fn new(allowed_origins: Vec<String>, host_names: Vec<String>) -> Self {
        Self { allowed_origins, host_names }
    }

    /// Gives the key of a request that may become a WebSocket for MQTT.
    pub(super) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Vec<u8>, Problem> {
        if uri.path() != PATH {
            return Err(Problem::not_found(format!("MQTT over WebSocket is at the path {PATH}")));
        }
        if *method != Method::GET {
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET"));
        }
        if !names(headers, UPGRADE, "websocket") || !names(headers, CONNECTION, "upgrade") {
            return Err(Problem::new(
                StatusCode::UPGRADE_REQUIRED,
                "this is for WebSocket; open it with an MQTT client",
            ));
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
            return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, format!("use version {VERSION} of WebSocket")));
        }
        self.check_origin(headers)?;
        if !lists(headers, SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == SUBPROTOCOL) {
            return Err(Problem::bad_request(format!("offer the subprotocol `{SUBPROTOCOL}`")));
        }
        match headers.get(SEC_WEBSOCKET_KEY) {
            Some(key) => Ok(key.as_bytes().to_vec()),
            None => Err(Problem::bad_request("send the field Sec-WebSocket-Key")),
        }
    }

    /// Programs that are no browsers send no origin, and may connect.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        if self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return Ok(());
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let of_page = origin.split_once("://").map_or("", |(_, host)| host);
        if is_known_host(host, &self.host_names) && is_same_host(host, of_page) {
            return Ok(());
        }
        let shown: String = origin.chars().take(80).collect();
        let detail = format!(
            "pages of `{shown}` may not connect; add it to `listeners.mqtt_ws.allowed_origins`, or, if the page comes \
             from this node's machine, add the machine's name to `listeners.web.host_names`"
        );
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

/// Whether a field names this word, whatever its case.
fn names(headers: &HeaderMap, field: HeaderName, word: &str) -> bool {
    lists(headers, field).any(|named| named.eq_ignore_ascii_case(word))
}

/// The words that a field lists.
fn lists(headers: &HeaderMap, field: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(field).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("host", "127.0.0.1:8083"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "mqttv3.1, mqtt"),
    ];

    /// The status for a good request with these fields instead of its own; an empty one is left out.
    fn status(method: &str, path: &str, changes: &[(&str, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in GOOD.iter().chain(changes) {
            let name: HeaderName = name.parse().unwrap();
            headers.remove(&name);
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let gate = Gate::new(vec!["https://dashboard.example".to_owned()], vec!["edge.example".to_owned()]);
        match gate.admit(&method.parse().unwrap(), &path.parse().unwrap(), &headers) {
            Ok(_) => 101,
            Err(problem) => axum::response::IntoResponse::into_response(problem).status().as_u16(),
        }
    }

    #[test]
    fn what_is_no_websocket_for_mqtt_is_refused() {
        for (method, path, changes, expect) in [
            ("GET", "/mqtt", &[][..], 101),
            ("GET", "/mqtt?x=1", &[], 101),
            ("GET", "/", &[], 404),
            ("POST", "/mqtt", &[], 405),
            ("GET", "/mqtt", &[("upgrade", "")], 426),
            ("GET", "/mqtt", &[("upgrade", "h2c")], 426),
            ("GET", "/mqtt", &[("connection", "close")], 426),
            ("GET", "/mqtt", &[("sec-websocket-version", "8")], 426),
            ("GET", "/mqtt", &[("sec-websocket-protocol", "")], 400),
            ("GET", "/mqtt", &[("sec-websocket-protocol", "mqttv3.1, chat")], 400),
            ("GET", "/mqtt", &[("sec-websocket-key", "")], 400),
        ] {
            assert_eq!(status(method, path, changes), expect, "{method} {path} {changes:?}");
        }
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        for (host, origin, expect) in [
            ("127.0.0.1:8083", "http://127.0.0.1:8080", 101),
            ("127.0.0.1:8083", "http://localhost:5173", 101),
            ("[::1]:8083", "http://localhost", 101),
            ("10.0.0.7:8083", "http://10.0.0.7:8080", 101),
            ("edge.example:8083", "https://edge.example", 101),
            ("127.0.0.1:8083", "https://dashboard.example", 101),
            ("127.0.0.1:8083", "HTTPS://Dashboard.Example", 101),
            ("127.0.0.1:8083", "https://evil.example", 403),
            ("127.0.0.1:8083", "http://dashboard.example", 403),
            ("127.0.0.1:8083", "https://dashboard.example.evil.example", 403),
            ("127.0.0.1:8083", "http://10.0.0.7:8080", 403),
            ("127.0.0.1:8083", "null", 403),
            // A foreign name that was pointed at this machine.
            ("evil.example:8083", "http://evil.example:8083", 403),
            ("", "http://127.0.0.1", 403),
        ] {
            assert_eq!(status("GET", "/mqtt", &[("host", host), ("origin", origin)]), expect, "{host} {origin}");
        }
    }
}
