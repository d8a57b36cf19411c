//! `http-request` against a real server on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow::module::ModuleKind;
use flow::services::ServiceError;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::harness::{self, World, itinerary, now};

const KIND: &dyn ModuleKind = &flow::module::Of::<HttpRequest>::new();

/// What a server was asked, and on which of its connections, counted from 1.
type Asked = Arc<Mutex<Vec<(usize, String)>>>;

/// A server that answers every request with the same text, and writes down what it was asked.
async fn server(answer: &'static str) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let list = Arc::clone(&asked);
    tokio::spawn(async move {
        for connection in 1.. {
            let (stream, _) = listener.accept().await.unwrap();
            let list = Arc::clone(&list);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(request) = read_request(&mut stream).await {
                    list.lock().unwrap().push((connection, request));
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, asked)
}

async fn read_request(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

struct Secrets;

impl Environment for Secrets {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn secret(&self, name: &str) -> Result<String, ServiceError> {
        match name {
            "pw" => Ok("pässword".to_owned()),
            "token" => Ok("abc\n".to_owned()),
            _ => Err(ServiceError(format!("there is no secret `{name}`"))),
        }
    }

    fn seed(&self) -> u64 {
        7
    }

    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::UTC
    }
}

fn world() -> World {
    let mut world = World::new();
    world.services.environment = Arc::new(Secrets);
    world
}

/// What one request gave: the message that was passed on, or the failure and the message that was given back.
async fn send(step: &mut dyn WaitingStep, message: &str) -> Result<Value, (String, Value)> {
    match step.begin(now(0), itinerary(message)).await {
        Ok(passed) => Ok(passed[0].1.message.clone()),
        Err(failure) => {
            let (itinerary, what) = failure.into_parts();
            Err((what, itinerary.message))
        }
    }
}

const OK_JSON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-a: b\r\ncontent-length: 7\r\n\r\n{\"a\":1}";

#[tokio::test]
async fn the_answer_stands_in_the_message_and_the_connection_is_kept() {
    let (url, asked) = server(OK_JSON).await;
    let mut step = world().waiting(KIND, &format!("url = '{url}/lines/{{line}}?q={{q}}'\ntarget = 'answer'"));
    for _ in 0..2 {
        let message = send(&mut *step, r#"{"line":"l 1","q":"ä"}"#).await.unwrap();
        let answer = r#"{"status":200,"headers":{"content-type":"application/json","x-a":"b","content-length":"7"},"data":{"a":1}}"#;
        assert_eq!(message.to_json(), format!(r#"{{"line":"l 1","q":"ä","answer":{answer}}}"#));
    }
    let asked = asked.lock().unwrap();
    assert!(asked[0].1.starts_with("GET /lines/l%201?q=%C3%A4 HTTP/1.1\r\n"), "{}", asked[0].1);
    assert!(asked[0].1.contains("user-agent: headwater/") && asked[0].1.ends_with("\r\n\r\n"), "{}", asked[0].1);
    assert_eq!(asked.iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_body_comes_from_the_message_or_from_a_text() {
    for (settings, head, body) in [
        ("verb = 'POST'", "content-type: application/json", r#"{"t":1}"#),
        ("verb = 'PUT'\nsource = 'message'", "content-type: application/json", r#"{"data":{"t":1},"name":"n"}"#),
        ("verb = 'PATCH'\nsource = 'name'\nformat = 'text'", "content-type: text/plain", "n"),
        (
            "verb = 'POST'\nbody = '<{name}>'\nheaders = { content-type = 'text/xml', x-none = '{none}' }",
            "content-type: text/xml",
            "<n>",
        ),
        ("verb = 'DELETE'", "DELETE / HTTP/1.1", ""),
    ] {
        let (url, asked) = server(OK_JSON).await;
        let mut step = world().waiting(KIND, &format!("url = '{url}'\n{settings}"));
        send(&mut *step, r#"{"data":{"t":1},"name":"n"}"#).await.unwrap();
        let asked = asked.lock().unwrap();
        let request = &asked[0].1;
        assert!(request.contains(head) && request.ends_with(&format!("\r\n\r\n{body}")), "{settings}: {request}");
        assert!(!request.contains("x-none"), "{request}");
    }
}

#[tokio::test]
async fn a_credential_is_sent_with_the_secret_of_the_node() {
    for (credential, field) in [
        ("{ kind = 'basic', user = 'ann', password = 'secret://pw' }", "authorization: Basic YW5uOnDDpHNzd29yZA==\r\n"),
        ("{ kind = 'bearer', token = 'secret://token' }", "authorization: Bearer abc\r\n"),
    ] {
        let (url, asked) = server(OK_JSON).await;
        let mut step = world().waiting(KIND, &format!("url = '{url}'\ncredential = {credential}"));
        send(&mut *step, "{}").await.unwrap();
        let asked = asked.lock().unwrap();
        assert!(asked[0].1.contains(field), "{}", asked[0].1);
    }
    let missing = "url = 'http://x'\ncredential = { kind = 'bearer', token = 'secret://other' }";
    assert_eq!(world().try_build(KIND, missing).unwrap_err(), "there is no secret `other`");
}

#[tokio::test]
async fn a_status_that_is_not_accepted_is_a_failure_that_leaves_the_message_for_another_try() {
    let (url, _) = server("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno  such\n").await;
    let mut step = world().waiting(KIND, &format!("url = '{url}/a?key=hidden'"));
    let (what, message) = send(&mut *step, "{}").await.unwrap_err();
    assert_eq!(what, format!("`GET {url}/a`: answered 404 Not Found: no such"));
    assert_eq!(message.to_json(), "{}");
    let mut step = world().waiting(KIND, &format!("url = '{url}'\naccept_status = [404]"));
    let message = send(&mut *step, "{}").await.unwrap();
    let status = message.get("response").and_then(|response| response.get("status"));
    assert_eq!(status, Some(&Value::from(404)));
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_large_is_a_failure() {
    let not_json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\nabc";
    for (answer, settings, expected) in [
        (not_json, "", "the answer cannot be read: the body is not valid JSON"),
        (OK_JSON, "response_bytes_max = 6", "the answer is larger than 6 bytes"),
        ("nonsense\r\n\r\n", "", "invalid HTTP"),
        ("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", "", "answered 302 Found"),
    ] {
        let (url, _) = server(answer).await;
        let mut step = world().waiting(KIND, &format!("url = '{url}'\n{settings}"));
        let (what, _) = send(&mut *step, "{}").await.unwrap_err();
        assert!(what.contains(expected), "{what}");
    }
    let (url, _) = server(not_json).await;
    let mut step = world().waiting(KIND, &format!("url = '{url}'\nresponse_format = 'text'\ntarget = 'r'"));
    let message = send(&mut *step, "{}").await.unwrap();
    assert_eq!(message.get("r").and_then(|response| response.get("data")), Some(&Value::from("abc")));
}

#[tokio::test]
async fn a_server_that_does_not_answer_or_is_not_there_is_a_failure_that_names_it() {
    let (url, _) = server("").await;
    let mut step = world().waiting(KIND, &format!("url = '{url}/a'\ntimeout = '50ms'"));
    assert_eq!(send(&mut *step, "{}").await.unwrap_err().0, format!("`GET {url}/a`: no answer within 0.05 s"));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut step = world().waiting(KIND, &format!("url = 'http://{closed}/a'"));
    let (what, _) = send(&mut *step, "{}").await.unwrap_err();
    assert!(what.starts_with(&format!("`GET http://{closed}/a`: ")) && what.contains("refused"), "{what}");
}

#[tokio::test]
async fn a_url_from_the_message_is_checked_before_it_is_used() {
    for (url, expected) in
        [("ftp://x", "does not begin with"), ("http://", "names no host"), ("http://a@b/", "holds a user name")]
    {
        let mut step = world().waiting(KIND, "url = '{url}'");
        let (what, _) = send(&mut *step, &format!(r#"{{"url":"{url}"}}"#)).await.unwrap_err();
        assert!(what.contains(expected), "{what}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    // It answers in the clear where TLS is expected: there is no certificate at all.
    let (url, _) = server(OK_JSON).await;
    let url = url.replace("http://", "https://");
    let mut step = world().waiting(KIND, &format!("url = '{url}'"));
    let answer = tokio::time::timeout(Duration::from_secs(20), send(&mut *step, "{}")).await.unwrap();
    assert!(answer.unwrap_err().0.starts_with(&format!("`GET {url}/`: ")));
}

#[test]
fn the_check_names_what_is_wrong_and_claims_the_url() {
    for (toml, what) in [
        ("url = 'example.com'", "does not begin with"),
        ("url = 'https:///x'", "names no host"),
        ("url = 'http://x'\nheaders = { 'a b' = 'c' }", "`a b` is no name of a header"),
        ("url = 'http://x'\ncredential = { kind = 'bearer', token = 'abc' }", "where everyone can read it"),
        ("url = 'http://x'\nbody = 'a'\nsource = 'b'", "`body` says what is sent already"),
        ("url = 'http://x'\naccept_status = [99]", "no status"),
        ("url = 'http://x'\ntimeout = '1h'", "out of range"),
        ("url = 'http://x'\nin_flight = 0", "out of range"),
        ("url = 'http://x'\nresponse_bytes_max = 0", "out of range"),
    ] {
        let found = harness::check(KIND, toml).lines();
        assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
    }
    let found = harness::check(KIND, "url = 'http://x/{a}/b'\nverb = 'POST'");
    assert!(found.problems.is_empty());
    assert_eq!(found.claims(), [&Claim::Request { url: Text::new("http://x/+/b"), verb: Text::new("POST") }]);
}
