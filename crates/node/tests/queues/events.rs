//! Queues consumed as a stream of server-sent events.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use crate::Queue;
use crate::harness::{DEADLINE, Node, eventually};

/// A client that reads events from a connection of its own.
struct Events {
    reader: BufReader<TcpStream>,
}

impl Events {
    fn open(node: &Node, path: &str) -> Self {
        let mut stream = TcpStream::connect(node.web).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!(
            "GET /api/v1{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\r\n",
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
    fn next(&mut self) -> Option<(u64, Value)> {
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

    /// Payload and receipt of the next event.
    fn message(&mut self) -> (String, String) {
        let (id, data) = self.next().unwrap();
        assert_eq!(data["id"], id);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&data["message"]["payload"]), text(&data["receipt"]))
    }
}

#[test]
fn messages_come_as_events_and_no_more_than_the_client_may_have() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({}));
    for payload in ["a", "b", "c"] {
        assert_eq!(queue.put("", payload).status, 204);
    }
    let mut events = Events::open(&node, "/queues/orders/consume?max=2");
    let (first, second) = (events.message(), events.message());
    assert_eq!((first.0.as_str(), second.0.as_str()), ("a", "b"));
    assert_eq!(queue.show()["in_flight"], 2);
    assert_eq!(queue.acknowledge(&[&second.1])["settled"], 1);
    assert_eq!(events.message().0, "c");
    // One that comes later comes by itself.
    assert_eq!(queue.acknowledge(&[&first.1])["settled"], 1);
    assert_eq!(queue.put("", "two\nlines").status, 204);
    assert_eq!(events.message().0, "two\nlines");
}

#[test]
fn what_a_client_had_that_is_gone_goes_to_others_at_once() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({ "ack_timeout_s": 86_400 }));
    for payload in ["a", "b"] {
        assert_eq!(queue.put("", payload).status, 204);
    }
    let mut events = Events::open(&node, "/queues/orders/consume?max=1");
    let (_, receipt) = events.message();
    events.reader.get_ref().shutdown(Shutdown::Both).unwrap();
    eventually(|| queue.show(), |shown| shown["consumers"] == 0 && shown["in_flight"] == 0);
    assert_eq!(queue.acknowledge(&[&receipt])["settled"], 0);
    assert_eq!(queue.payloads(2), ["a", "b"]);
}

#[test]
fn the_events_end_with_the_queue_and_with_the_node() {
    let node = Node::start();
    Queue::made(&node, "gone", &json!({}));
    let mut events = Events::open(&node, "/queues/gone/consume");
    assert_eq!(node.api("DELETE", "/queues/gone").status, 204);
    assert_eq!(events.next(), None);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &crate::harness::NodeOptions::default());
    let queue = Queue::made(&node, "orders", &json!({ "ack_timeout_s": 86_400 }));
    assert_eq!(queue.put("", "a").status, 204);
    let mut events = Events::open(&node, "/queues/orders/consume");
    assert_eq!(events.message().0, "a");
    assert!(node.stop().success());
    assert_eq!(events.next(), None);
    assert!(!std::fs::read_to_string(data.with_extension("log")).unwrap().contains("were cut"));
    let node = Node::start_in(&data, &crate::harness::NodeOptions::default());
    assert_eq!(Queue::of(&node, "orders").payloads(1), ["a"]);
}

#[test]
fn a_client_that_cannot_be_served_is_told_why() {
    let node = Node::start();
    Queue::made(&node, "orders", &json!({}));
    let get = |path: &str, accept: &str| node.send("GET", path, &[("accept", accept)], b"");
    assert!(get("/queues/orders/consume", "application/json").problem(406).contains("text/event-stream"));
    assert!(get("/queues/absent/consume", "text/event-stream").problem(404).contains("no queue `absent`"));
    assert!(get("/queues/orders/consume?wait_s=1", "text/event-stream").problem(400).contains("wait_s"));
}
