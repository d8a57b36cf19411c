//! Streams of a real node, from outside: made by configuration, API and command line, fed by MQTT clients and HTTP, read
//! again and again, and still there after the node was killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "these files use a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod busy_disk;
mod events;
mod flow;
mod http;
mod large;
mod made_again;
mod members;
mod mqtt;
mod open_files;
mod survival;
mod unavailable;

use harness::{Answer, Node};
use serde_json::Value;

/// A stream of a node, as tests speak to it.
struct Stream<'a> {
    node: &'a Node,
    name: &'a str,
}

impl<'a> Stream<'a> {
    fn of(node: &'a Node, name: &'a str) -> Self {
        Self { node, name }
    }

    fn made(node: &'a Node, name: &'a str, settings: &Value) -> Self {
        let answer = node.api_json("PUT", &format!("/streams/{name}"), settings);
        assert_eq!(answer.status, 201, "{}", answer.text());
        Self { node, name }
    }

    fn path(&self, rest: &str) -> String {
        format!("/streams/{}{rest}", self.name)
    }

    fn post(&self, query: &str, payload: &str) -> Answer {
        self.node.send("POST", &self.path(&format!("/messages{query}")), &[], payload.as_bytes())
    }

    /// Appends a message and gives its offset.
    fn append(&self, payload: &str) -> u64 {
        self.post("", payload).json()["offset"].as_u64().unwrap()
    }

    fn show(&self) -> Value {
        self.node.api("GET", &self.path("")).json()
    }

    fn page(&self, query: &str) -> Value {
        self.node.api("GET", &self.path(&format!("/messages{query}"))).json()
    }

    /// Offsets and payloads of one page.
    fn read(&self, query: &str) -> Vec<(u64, String)> {
        let page = self.page(query);
        let pair = |message: &Value| {
            let payload = message["message"]["payload"].as_str().unwrap();
            (message["offset"].as_u64().unwrap(), payload.to_owned())
        };
        page["messages"].as_array().unwrap().iter().map(pair).collect()
    }
}

fn numbered(messages: &[(u64, &str)]) -> Vec<(u64, String)> {
    messages.iter().map(|(offset, payload)| (*offset, (*payload).to_owned())).collect()
}
