//! Reads server-sent events, byte by byte as they come.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::{DEADLINE, Node};

/// A client that reads events from a connection of its own.
pub struct Events {
    pub reader: BufReader<TcpStream>,
}

impl Events {
    pub fn open(node: &Node, path: &str, last: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(node.web).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /api/v1{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n{last}\r\n",
            node.web, node.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut events = Self { reader: BufReader::new(stream) };
        assert!(events.line().starts_with("HTTP/1.1 200"));
        let mut head = String::new();
        loop {
            let line = events.line();
            if line.is_empty() {
                break;
            }
            head += &line.to_lowercase();
        }
        assert!(head.contains("content-type: text/event-stream") && head.contains("no-cache"), "{head}");
        events
    }

    /// The next line; none when the answer is over.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The id and the data of the next event; none when the answer came to its end.
    pub fn next(&mut self) -> Option<(u64, Value)> {
        // Of an event without one.
        let mut id = u64::MAX;
        loop {
            let line = self.line();
            if line == "0" {
                return None;
            } else if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().unwrap();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((id, serde_json::from_str(data).unwrap()));
            }
        }
    }
}
