//! One HTTP request by curl, and its answer.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// Asks by curl with these arguments; `body` is sent if there is one.
pub(crate) fn curl(arguments: &[&str], body: Option<&[u8]>) -> Answer {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "60"]).args(arguments);
    if body.is_some() {
        command.args(["--data-binary", "@-"]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need curl: install it with `apt-get install curl`");
    let mut input = child.stdin.take().unwrap();
    // An answer may come before the whole body was read: then curl ends early, and says what it got.
    let _ = input.write_all(body.unwrap_or_default());
    drop(input);
    let output = child.wait_with_output().unwrap();
    Answer::parse(&String::from_utf8_lossy(&output.stdout))
        .unwrap_or_else(|| panic!("no answer to {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

impl Answer {
    /// Skips interim answers such as `100 Continue`.
    fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let status = head.split_ascii_whitespace().nth(1)?.parse().ok()?;
        if (100..200).contains(&status) {
            return Self::parse(rest);
        }
        Some(Self { status, head: head.to_owned(), body: rest.to_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }
}
