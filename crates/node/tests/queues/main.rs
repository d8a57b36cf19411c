//! Queues of a real node, from outside: made by configuration, API and command line, fed by MQTT clients and HTTP,
//! consumed over HTTP, and still there after the node was killed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "these files use a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod bad_sector;
mod delayed;
mod events;
mod flow;
mod http;
mod large;
mod made_again;
mod mqtt;
mod remains;
mod store_commands;
mod survival;

use std::process::{Command, Output};

use harness::{Answer, Node};
use serde_json::{Value, json};

/// A queue of a node, as tests speak to it.
struct Queue<'a> {
    node: &'a Node,
    name: &'a str,
}

impl<'a> Queue<'a> {
    fn of(node: &'a Node, name: &'a str) -> Self {
        Self { node, name }
    }

    fn made(node: &'a Node, name: &'a str, settings: &Value) -> Self {
        let answer = node.api_json("PUT", &format!("/queues/{name}"), settings);
        assert_eq!(answer.status, 201, "{}", answer.text());
        Self { node, name }
    }

    fn path(&self, rest: &str) -> String {
        format!("/queues/{}{rest}", self.name)
    }

    fn put(&self, query: &str, payload: &str) -> Answer {
        self.node.send("POST", &self.path(&format!("/messages{query}")), &[], payload.as_bytes())
    }

    fn show(&self) -> Value {
        self.node.api("GET", &self.path("")).json()
    }

    /// Takes messages; gives payload and receipt of each.
    fn take(&self, query: &str) -> Vec<(String, String)> {
        let answer = self.node.api("POST", &self.path(&format!("/consume{query}"))).json();
        let messages = answer["messages"].as_array().unwrap();
        let pair = |message: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&message["message"]["payload"]), text(&message["receipt"]))
        };
        messages.iter().map(pair).collect()
    }

    /// Takes up to so many messages and gives their payloads.
    fn payloads(&self, max: usize) -> Vec<String> {
        self.take(&format!("?max={max}")).into_iter().map(|(payload, _)| payload).collect()
    }

    fn settle(&self, verb: &str, body: &Value) -> Value {
        let answer = self.node.api_json("POST", &self.path(&format!("/{verb}")), body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn acknowledge(&self, receipts: &[&str]) -> Value {
        self.settle("ack", &json!({ "receipts": receipts }))
    }
}

/// One of mosquitto's clients against this node.
fn mosquitto(node: &Node, client: &str, arguments: &[&str]) -> Output {
    let (host, port) = (node.mqtt.ip().to_string(), node.mqtt.port().to_string());
    let output = Command::new(client).args(["-h", &host, "-p", &port, "-V", "5"]).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{client} cannot be run ({error}): install mosquitto-clients"))
}
