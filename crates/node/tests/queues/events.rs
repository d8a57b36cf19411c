//! Queues consumed as a stream of server-sent events.

use std::net::Shutdown;

use serde_json::{Value, json};

use crate::Queue;
use crate::harness::events::Events;
use crate::harness::{Node, eventually};

/// Payload and receipt of the next event.
fn message(events: &mut Events) -> (String, String) {
    let (id, data) = events.next().unwrap();
    assert_eq!(data["id"], id);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&data["message"]["payload"]), text(&data["receipt"]))
}

#[test]
fn messages_come_as_events_and_no_more_than_the_client_may_have() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({}));
    for payload in ["a", "b", "c"] {
        assert_eq!(queue.put("", payload).status, 204);
    }
    let mut events = Events::open(&node, "/queues/orders/consume?max=2", None);
    let (first, second) = (message(&mut events), message(&mut events));
    assert_eq!((first.0.as_str(), second.0.as_str()), ("a", "b"));
    assert_eq!(queue.show()["in_flight"], 2);
    assert_eq!(queue.acknowledge(&[&second.1])["settled"], 1);
    assert_eq!(message(&mut events).0, "c");
    // One that comes later comes by itself.
    assert_eq!(queue.acknowledge(&[&first.1])["settled"], 1);
    assert_eq!(queue.put("", "two\nlines").status, 204);
    assert_eq!(message(&mut events).0, "two\nlines");
}

#[test]
fn what_a_client_had_that_is_gone_goes_to_others_at_once() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({ "ack_timeout_s": 86_400 }));
    for payload in ["a", "b"] {
        assert_eq!(queue.put("", payload).status, 204);
    }
    let mut events = Events::open(&node, "/queues/orders/consume?max=1", None);
    let (_, receipt) = message(&mut events);
    events.reader.get_ref().shutdown(Shutdown::Both).unwrap();
    eventually(|| queue.show(), |shown| shown["consumers"] == 0 && shown["in_flight"] == 0);
    assert_eq!(queue.acknowledge(&[&receipt])["settled"], 0);
    assert_eq!(queue.payloads(2), ["a", "b"]);
}

#[test]
fn the_events_end_with_the_queue_and_with_the_node() {
    let node = Node::start();
    Queue::made(&node, "gone", &json!({}));
    let mut events = Events::open(&node, "/queues/gone/consume", None);
    assert_eq!(node.api("DELETE", "/queues/gone").status, 204);
    assert_eq!(events.next(), None);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &crate::harness::NodeOptions::default());
    let queue = Queue::made(&node, "orders", &json!({ "ack_timeout_s": 86_400 }));
    assert_eq!(queue.put("", "a").status, 204);
    let mut events = Events::open(&node, "/queues/orders/consume", None);
    assert_eq!(message(&mut events).0, "a");
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
