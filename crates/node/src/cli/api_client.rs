//! Speaks to the API of a node.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request, StatusCode};

use super::Failure;

/// A client of one node's API.
#[derive(Debug)]
pub(super) struct ApiClient {
    agent: ureq::Agent,
    base: String,
    token: String,
}

/// The body of a request, with its media type.
pub(super) type Content<'a> = Option<(&'a str, Vec<u8>)>;

/// Longer than the node takes for anything.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// No answer of the API is larger.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl ApiClient {
    pub(super) fn new(url: &str, token: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_DEADLINE))
            // The node is near; a proxy for the web does not know it.
            .proxy(None)
            .build()
            .new_agent();
        Self { agent, base: url.trim_end_matches('/').to_owned(), token }
    }

    /// Asks and gives the JSON that comes back; null for an empty answer.
    pub(super) fn ask(&self, method: Method, path: &str, content: Content<'_>) -> Result<Value, Failure> {
        let text = self.ask_text(method, path, "application/json", content)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| Failure::not_done(format!("{} answers no JSON: {error}", self.base)))
    }

    /// Asks and gives the text that comes back.
    pub(super) fn ask_text(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        content: Content<'_>,
    ) -> Result<String, Failure> {
        let (media_type, body) = content.unwrap_or(("", Vec::new()));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", accept);
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        let request =
            request.body(body).map_err(|error| Failure::not_done(format!("{} is no URL: {error}", self.base)))?;
        let mut response = self.agent.run(request).map_err(|error| self.no_answer(&error))?;
        let status = response.status();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| self.no_answer(&error))?;
        if status.is_success() { Ok(text) } else { Err(self.refusal(status, &text)) }
    }

    fn no_answer(&self, error: &ureq::Error) -> Failure {
        let why = match error {
            ureq::Error::ConnectionFailed => "nothing listens there".to_owned(),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "nothing listens there".to_owned()
            }
            error => error.to_string(),
        };
        Failure::NoAnswer(format!(
            "no node answers at {}: {why}; start one, or name it with --url or --data-dir",
            self.base
        ))
    }

    /// What the node's problem document says, with each problem of a flow on a line of its own.
    fn refusal(&self, status: StatusCode, text: &str) -> Failure {
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        let detail = document.get("detail").and_then(Value::as_str).filter(|detail| !detail.is_empty());
        let detail = detail.map_or_else(|| format!("{} answers {status}", self.base), str::to_owned);
        if status == StatusCode::UNAUTHORIZED {
            return Failure::NoToken(detail);
        }
        let problems = document.get("problems").and_then(Value::as_array).into_iter().flatten();
        Failure::NotDone(std::iter::once(detail).chain(problems.map(problem_line)).collect())
    }
}

/// One problem of a flow, as the API writes it, in one line.
pub(super) fn problem_line(problem: &Value) -> String {
    let part = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let mark = if part("severity") == "warning" { "warning: " } else { "" };
    let hint = if part("hint").is_empty() { String::new() } else { format!(" ({})", part("hint")) };
    format!("{mark}{}: {}{hint}", part("at"), part("what"))
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_holds_any_text() {
        assert_eq!(segment("line-1"), "line-1");
        assert_eq!(segment("a/b ä%"), "a%2Fb%20%C3%A4%25");
    }

    #[test]
    fn a_problem_is_one_line() {
        let problem =
            serde_json::json!({ "severity": "warning", "at": "modules.a", "what": "is alone", "hint": "join it" });
        assert_eq!(problem_line(&problem), "warning: modules.a: is alone (join it)");
    }
}
