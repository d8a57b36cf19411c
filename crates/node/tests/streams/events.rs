//! Streams read as server-sent events.

use serde_json::{Value, json};

use crate::Stream;
use crate::harness::events::Events;
use crate::harness::{Node, NodeOptions};

/// Offset and payload of the next event.
fn message(events: &mut Events) -> (u64, String) {
    let (id, data): (u64, Value) = events.next().unwrap();
    assert_eq!(data["offset"], id);
    (id, data["message"]["payload"].as_str().unwrap().to_owned())
}

#[test]
fn what_is_there_comes_first_then_what_is_appended() {
    let node = Node::start();
    let stream = Stream::made(&node, "log", &json!({}));
    for number in 0..250 {
        stream.append(&number.to_string());
    }
    let mut events = Events::open(&node, "/streams/log/messages", None);
    for number in 0..250 {
        assert_eq!(message(&mut events), (number, number.to_string()));
    }
    let mut latest = Events::open(&node, "/streams/log/messages?offset=latest", None);
    stream.append("new");
    for events in [&mut events, &mut latest] {
        assert_eq!(message(events), (250, "new".to_owned()));
    }
}

#[test]
fn a_client_goes_on_behind_the_last_event_that_it_has_also_on_another_life_of_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let stream = Stream::made(&node, "log", &json!({}));
    for payload in ["a", "b", "c"] {
        stream.append(payload);
    }
    let mut events = Events::open(&node, "/streams/log/messages", None);
    assert_eq!(message(&mut events).0, 0);
    let (last, _) = message(&mut events);
    assert!(node.stop().success());
    // The third may have been on its way already; after it the answer has ended.
    while events.next().is_some() {}
    let node = Node::start_in(&data, &NodeOptions::default());
    let mut events = Events::open(&node, "/streams/log/messages?offset=latest", Some(last));
    assert_eq!(message(&mut events), (2, "c".to_owned()));
}

#[test]
fn the_events_end_with_the_stream_and_an_id_that_is_none_is_refused() {
    let node = Node::start();
    Stream::made(&node, "log", &json!({}));
    let mut events = Events::open(&node, "/streams/log/messages", None);
    assert_eq!(node.api("DELETE", "/streams/log").status, 204);
    assert_eq!(events.next(), None);
    Stream::made(&node, "log", &json!({}));
    let headers = [("accept", "text/event-stream"), ("last-event-id", "x")];
    let answer = node.send("GET", "/streams/log/messages", &headers, b"");
    assert!(answer.problem(400).contains("Last-Event-ID"));
}
