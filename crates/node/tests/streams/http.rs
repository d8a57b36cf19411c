//! The HTTP API of streams, and the command line.

use serde_json::json;

use crate::harness::client::Client;
use crate::harness::packets::{connect, packet, publish, text};
use crate::harness::{Node, NodeOptions, eventually};
use crate::{Stream, numbered};

#[test]
fn what_is_bound_or_named_is_appended_and_read_as_often_as_anyone_likes() {
    let node = Node::start();
    let stream = Stream::made(&node, "telemetry", &json!({ "bindings": ["plant/+/temperature", "plant/#"] }));
    let mut client = Client::connect(node.mqtt, &connect("publisher"));
    client.publish("plant/1/temperature", b"a");
    client.publish("other", b"x");
    client.send(&publish("plant/2", None, b"b"));
    let exactly_once = [text("$stream/telemetry"), vec![0, 7, 0], b"c".to_vec()].concat();
    assert_eq!(client.ask(&packet(0x34, &exactly_once)).0, 0x50);
    assert_eq!(stream.post("?topic=by/hand", "d").json(), json!({ "offset": 3 }));
    for _ in 0..2 {
        let messages = numbered(&[(0, "a"), (1, "b"), (2, "c"), (3, "d")]);
        assert_eq!(stream.read(""), messages);
        assert_eq!(stream.read("?offset=2"), messages[2..]);
        assert_eq!(stream.read("?offset=1&max=2"), messages[1..3]);
        assert_eq!(stream.read("?offset=latest"), []);
        // What lies behind the end is the end.
        assert_eq!(stream.page("?offset=1000"), json!({ "messages": [], "next": 4, "missing": 0 }));
    }
    let page = stream.page("?offset=3");
    assert_eq!((&page["next"], &page["messages"][0]["message"]["topic"]), (&json!(4), &json!("by/hand")));
    let shown = stream.show();
    assert_eq!((&shown["messages"], &shown["earliest"], &shown["next"]), (&json!(4), &json!(0), &json!(4)));
    assert!(shown["bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_stream_is_read_from_a_time_on() {
    let node = Node::start();
    let stream = Stream::made(&node, "telemetry", &json!({}));
    for payload in ["a", "b", "c"] {
        stream.append(payload);
    }
    let second = stream.page("?offset=1&max=1")["messages"][0]["appended_at"].as_str().unwrap().to_owned();
    assert_eq!(stream.read(&format!("?offset=time:{second}")), numbered(&[(1, "b"), (2, "c")]));
    assert_eq!(stream.read("?offset=time:2000-01-01T00:00:00Z").len(), 3);
    assert_eq!(stream.read("?offset=time:2999-01-01T00:00:00Z"), []);
}

#[test]
fn a_request_may_wait_for_a_message() {
    let node = Node::start();
    let stream = Stream::made(&node, "telemetry", &json!({}));
    stream.append("before");
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| stream.read("?offset=latest&wait_s=25"))).collect();
        // Both get the same message, however late they began to wait: those that are there are read again.
        let mut offset = stream.append("late");
        for waiting in waiting {
            while !waiting.is_finished() {
                offset = stream.append("later");
            }
            let read = waiting.join().unwrap();
            assert!(!read.is_empty() && read[0].0 > 0 && read[0].0 <= offset, "{read:?}");
        }
    });
}

#[test]
fn a_publish_is_refused_where_there_is_no_stream() {
    let node = Node::start();
    let mut client = Client::connect(node.mqtt, &connect("publisher"));
    let (first, body) = client.ask(&publish("$stream/nowhere", Some(1), b"x"));
    assert_eq!((first, body[2]), (0x40, 0x90));
    assert!(node.send("POST", "/publish?topic=$stream/nowhere", &[], b"x").problem(404).contains("$stream/nowhere"));
}

#[test]
fn all_can_be_thrown_away_and_offsets_go_on() {
    let node = Node::start();
    let stream = Stream::made(&node, "telemetry", &json!({}));
    for payload in ["a", "b"] {
        stream.append(payload);
    }
    assert_eq!(node.api("DELETE", &stream.path("/messages")).json(), json!({ "purged": 2 }));
    assert_eq!(stream.page("?offset=0"), json!({ "messages": [], "next": 2, "missing": 2 }));
    assert_eq!(stream.append("c"), 2);
    assert_eq!(stream.read("?offset=0"), numbered(&[(2, "c")]));
    let shown = stream.show();
    assert_eq!((&shown["messages"], &shown["earliest"], &shown["purged"]), (&json!(1), &json!(2), &json!(2)));
}

#[test]
fn settings_change_and_a_stream_that_is_made_anew_begins_empty() {
    let node = Node::start();
    let stream = Stream::made(&node, "telemetry", &json!({ "bindings": ["a"] }));
    let mut client = Client::connect(node.mqtt, &connect("publisher"));
    client.publish("a", b"1");
    assert_eq!(node.api_json("PUT", &stream.path(""), &json!({ "bindings": ["b"], "durability": "os" })).status, 204);
    client.publish("a", b"2");
    client.publish("b", b"3");
    assert_eq!(stream.read(""), numbered(&[(0, "1"), (1, "3")]));
    let settings = json!({ "bindings": ["b"], "durability": "os", "messages_max": null, "bytes_max": 1_073_741_824, "age_max_s": null });
    assert_eq!(stream.show()["settings"], settings);
    let folders = || std::fs::read_dir(node.data_dir.join("streams")).unwrap().count();
    assert_eq!(folders(), 1);
    assert_eq!(node.api("DELETE", &stream.path("")).status, 204);
    node.api("DELETE", &stream.path("")).problem(404);
    client.publish("b", b"4");
    let stream = Stream::made(&node, "telemetry", &json!({}));
    assert_eq!(stream.read(""), []);
    assert_eq!(stream.append("new"), 0);
    eventually(folders, |count| *count == 1);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let node = Node::start();
    let put = |name: &str, settings| node.api_json("PUT", &format!("/streams/{name}"), &settings).problem(400);
    assert!(put("a%20b", json!({})).contains("stream name"));
    assert!(put("telemetry", json!({ "bindings": ["$queue/other"] })).contains("plain topics"));
    assert!(put("telemetry", json!({ "policy": "refuse" })).contains("policy"));
    for (method, path) in [
        ("GET", "/streams/a"),
        ("DELETE", "/streams/a"),
        ("GET", "/streams/a/messages"),
        ("POST", "/streams/a/messages"),
        ("DELETE", "/streams/a/messages"),
    ] {
        assert!(node.api(method, path).problem(404).contains("no stream `a`"), "{method} {path}");
    }
    let stream = Stream::made(&node, "telemetry", &json!({}));
    for place in ["soon", "-1", "time:noon"] {
        let told = node.api("GET", &stream.path(&format!("/messages?offset={place}"))).problem(400);
        assert!(told.contains("earliest"), "{told}");
    }
}

#[test]
fn the_command_line_does_it_too() {
    let node = Node::start();
    node.run(&["stream", "create", "telemetry", "--bind", "plant/#", "--age-max", "3600", "--durability", "os"]);
    assert_eq!(Stream::of(&node, "telemetry").show()["settings"]["age_max_s"], 3600);
    assert_eq!(node.run(&["stream", "append", "telemetry", "a", "--topic", "plant/1"]), "0\n");
    assert_eq!(node.run(&["stream", "append", "telemetry", "b"]), "1\n");
    let peeked = node.run(&["stream", "peek", "telemetry", "--offset", "1"]);
    assert!(peeked.contains("\"payload\":\"b\"") && !peeked.contains("\"payload\":\"a\""), "{peeked}");
    let list = node.run(&["stream", "list"]);
    assert!(list.contains("telemetry  2 "), "{list}");
    assert_eq!(node.run(&["stream", "purge", "telemetry"]), "purged 2\n");
    assert!(node.run(&["stream", "show", "telemetry"]).contains("\"earliest\": 2"));
    node.run(&["stream", "delete", "telemetry"]);
    let (code, _, error) = node.command(&["stream", "show", "telemetry"]);
    assert_eq!(code, 1);
    assert!(error.contains("no stream `telemetry`"), "{error}");
}

#[test]
fn the_figures_are_in_the_metrics() {
    let node = Node::start();
    let stream = Stream::made(&node, "telemetry", &json!({}));
    for payload in ["a", "b"] {
        stream.append(payload);
    }
    node.expect_metrics(&[
        "headwater_stream_messages{stream=\"telemetry\"} 2",
        "headwater_stream_earliest_offset{stream=\"telemetry\"} 0",
        "headwater_stream_next_offset{stream=\"telemetry\"} 2",
        "headwater_stream_trimmed_messages_total{stream=\"telemetry\"} 0",
    ]);
}

#[test]
fn the_configuration_makes_streams() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("headwater.toml");
    std::fs::write(&config, "[streams.telemetry]\nbindings = [\"plant/#\"]\nage_max_s = 86400\n").unwrap();
    let node = Node::start_with(&NodeOptions { config: Some(config.clone()), ..NodeOptions::default() });
    let shown = Stream::of(&node, "telemetry").show();
    assert_eq!((&shown["settings"]["bindings"], &shown["settings"]["age_max_s"]), (&json!(["plant/#"]), &json!(86400)));
    std::fs::write(&config, "[streams.telemetry]\nbindings = [\"$stream/telemetry\"]\n").unwrap();
    let options = NodeOptions { config: Some(config), ..NodeOptions::default() };
    let (code, error) = options.refusal(&folder.path().join("data"));
    assert_eq!(code, Some(3));
    assert!(error.contains("plain topics"), "{error}");
}
