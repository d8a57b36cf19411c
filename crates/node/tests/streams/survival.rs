//! What a stream keeps, and for how long.

use serde_json::json;

use crate::Stream;
use crate::harness::client::Client;
use crate::harness::packets::{connect, packet, text};
use crate::harness::{Node, NodeOptions, eventually};

#[test]
fn what_was_acknowledged_is_there_after_any_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    for (name, durability) in [("safe", "fsync"), ("fast", "os")] {
        Stream::made(&node, name, &json!({ "bindings": ["plant/#"], "durability": durability }));
    }
    let mut expected = Vec::new();
    for life in 0..4 {
        let mut client = Client::connect(node.mqtt, &connect("publisher"));
        for number in 0..20 {
            let payload = format!("{life}.{number}");
            client.publish("plant/1", payload.as_bytes());
            expected.push(payload);
        }
        if life % 2 == 0 {
            node.kill();
        } else {
            assert!(node.stop().success());
        }
        node = Node::start_in(&data, &NodeOptions::default());
        for name in ["safe", "fast"] {
            let read = Stream::of(&node, name).read("?max=1000");
            let payloads: Vec<&String> = read.iter().map(|(_, payload)| payload).collect();
            assert_eq!(payloads, expected.iter().collect::<Vec<_>>(), "{name} in life {life}");
            assert!(read.is_sorted_by(|one, other| one.0 < other.0), "{read:?}");
        }
    }
}

#[test]
fn what_was_thrown_away_or_too_old_stays_away_and_no_offset_with_it_after_any_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    for (name, settings) in [("purged", json!({})), ("aged", json!({ "age_max_s": 1 }))] {
        let stream = Stream::made(&node, name, &settings);
        for number in 0..10 {
            assert_eq!(stream.append("x"), number);
        }
    }
    eventually(|| Stream::of(&node, "aged").show(), |shown| shown["messages"] == 0);
    // Answered when it is on disk.
    assert_eq!(node.api("DELETE", "/streams/purged/messages").json(), json!({ "purged": 10 }));
    for life in 0..3 {
        if life == 1 {
            assert!(node.stop().success());
        } else {
            node.kill();
        }
        node = Node::start_in(&data, &NodeOptions::default());
        for name in ["purged", "aged"] {
            let shown = Stream::of(&node, name).show();
            let found = ["messages", "earliest", "next"].map(|figure| shown[figure].as_u64());
            // Whether it is on disk already that messages are too old, nobody was told.
            let expected = [Some(0), Some(10), Some(10)];
            assert!(found == expected || name == "aged" && found[2] == Some(10), "{name} in life {life}: {shown}");
        }
    }
    assert_eq!(Stream::of(&node, "aged").append("y"), 10);
    let stream = Stream::of(&node, "purged");
    assert_eq!(stream.append("y"), 10);
    assert_eq!(stream.page("?offset=10")["missing"], 0);
}

#[test]
fn the_oldest_go_when_there_are_too_many_bytes() {
    let node = Node::start();
    let stream = Stream::made(&node, "small", &json!({ "bytes_max": 600_000 }));
    let payload = "x".repeat(20_000);
    for number in 0..60 {
        assert_eq!(stream.append(&payload), number);
    }
    let shown = eventually(|| stream.show(), |shown| shown["bytes"].as_u64().unwrap() <= 600_000);
    let earliest = shown["earliest"].as_u64().unwrap();
    // About 30 fit; of these an eighth may have gone.
    assert!((30..40).contains(&earliest), "{shown}");
    assert_eq!((&shown["trimmed"], &shown["messages"]), (&json!(earliest), &json!(60 - earliest)));
    let page = stream.page("?offset=10&max=1");
    assert_eq!((&page["missing"], &page["messages"][0]["offset"]), (&json!(earliest - 10), &json!(earliest)));
}

#[test]
fn messages_go_when_they_are_too_old() {
    let node = Node::start();
    let young = Stream::made(&node, "young", &json!({ "age_max_s": 1 }));
    let old = Stream::made(&node, "old", &json!({}));
    for number in 0..5 {
        young.append(&number.to_string());
        old.append(&number.to_string());
    }
    let shown = eventually(|| young.show(), |shown| shown["messages"] == 0);
    assert_eq!((&shown["trimmed"], &shown["earliest"], &shown["next"]), (&json!(5), &json!(5), &json!(5)));
    assert_eq!(young.append("new"), 5);
    assert_eq!(old.read("").len(), 5);
}

#[test]
fn what_a_stream_has_in_memory_ends_with_the_node_and_its_offsets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    Stream::made(&node, "fleeting", &json!({ "bindings": ["plant/#"], "durability": "memory" }));
    for life in 0..2 {
        let mut client = Client::connect(node.mqtt, &connect("publisher"));
        for number in 0..5 {
            client.publish("plant/1", format!("{life}.{number}").as_bytes());
        }
        let exactly_once = [text("plant/1"), vec![0, 7, 0], format!("{life}.twice").into_bytes()].concat();
        assert_eq!(client.ask(&packet(0x34, &exactly_once)).0, 0x50);
        let read = eventually(|| Stream::of(&node, "fleeting").read("?max=100"), |read| read.len() == 6);
        let expected = ["0", "1", "2", "3", "4", "twice"].map(|number| format!("{life}.{number}"));
        assert_eq!(read.iter().map(|(_, payload)| payload).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
        let next = read.last().unwrap().0 + 1;
        assert!(node.stop().success());
        node = Node::start_in(&data, &NodeOptions::default());
        assert_eq!(Stream::of(&node, "fleeting").read("?offset=earliest"), []);
        assert_eq!(Stream::of(&node, "fleeting").append("after"), next);
        assert!(node.stop().success());
        node = Node::start_in(&data, &NodeOptions::default());
    }
}
