//! tables.redb is lost, damaged, or put back from an older copy: the node starts, deletes nothing, and no message comes to a
//! queue, stream or session that it was not sent to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "this file uses a part of it")]
mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Node, NodeOptions};
use serde_json::{Value, json};

fn start(data: &Path) -> Node {
    Node::start_in(data, &NodeOptions::default())
}

fn stop(node: Node) {
    assert!(node.stop().success());
}

fn tables(data: &Path) -> PathBuf {
    data.join("tables.redb")
}

fn make(node: &Node, path: &str, settings: &Value) {
    let made = node.api_json("PUT", path, settings);
    assert_eq!(made.status, 201, "{}", made.text());
}

/// Sends three messages with this name to a queue or stream.
fn send(node: &Node, path: &str, name: &str) {
    for number in 0..3 {
        let sent = node.send("POST", &format!("{path}/messages"), &[], format!("{name}{number}").as_bytes());
        assert!(sent.status < 300, "{}", sent.text());
    }
}

fn sent(name: &str) -> Vec<String> {
    (0..3).map(|number| format!("{name}{number}")).collect()
}

fn payloads(answer: &Value) -> Vec<String> {
    let messages = answer["messages"].as_array().unwrap();
    messages.iter().map(|message| message["message"]["payload"].as_str().unwrap().to_owned()).collect()
}

/// What waits in a queue; it comes back when the node is started again.
fn in_queue(node: &Node, name: &str) -> Vec<String> {
    payloads(&node.api("POST", &format!("/queues/{name}/consume?max=100")).json())
}

fn in_stream(node: &Node, name: &str) -> Vec<String> {
    payloads(&node.api("GET", &format!("/streams/{name}/messages")).json())
}

/// Lets a client with a session on disk come; gives what it got, up to so many messages.
fn session(node: &Node, client: &str, filter: &str, messages: usize) -> Vec<String> {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", &node.mqtt.port().to_string(), "-c", "-i", client, "-q", "1", "-t", filter, "-W", "200"]);
    match messages {
        0 => command.arg("-E"),
        count => command.args(["-C", &count.to_string()]),
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn publish(node: &Node, topic: &str, name: &str) {
    for payload in sent(name) {
        let port = node.mqtt.port().to_string();
        let sent = Command::new("mosquitto_pub").args(["-p", &port, "-q", "1", "-t", topic, "-m", &payload]).status();
        assert!(sent.unwrap().success());
    }
}

fn metric(node: &Node, name: &str) -> u64 {
    let metrics = harness::http(node.web, "GET", "/metrics", &[], b"").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap().parse().unwrap()
}

/// A node with messages in a queue, a stream and a session.
fn filled(data: &Path) -> Node {
    let node = start(data);
    make(&node, "/queues/orders", &json!({ "bindings": ["shop/#"], "messages_max": 77 }));
    make(&node, "/streams/tele", &json!({ "bindings": ["plant/#"], "messages_max": 77 }));
    send(&node, "/queues/orders", "order");
    send(&node, "/streams/tele", "value");
    session(&node, "reader", "news/#", 0);
    publish(&node, "news/1", "news");
    node
}

#[test]
fn tables_that_were_moved_away_take_nothing_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stop(filled(&data));
    let away = folder.path().join("away");
    fs::rename(tables(&data), &away).unwrap();
    let config = folder.path().join("headwater.toml");
    fs::write(&config, "[queues.alarms]\nbindings = [\"alarm/#\"]\n").unwrap();
    let node = Node::start_in(&data, &NodeOptions { config: Some(config), sets: Vec::new() });
    assert_eq!(in_queue(&node, "alarms"), Vec::<String>::new());
    session(&node, "other", "else/#", 0);
    publish(&node, "else/1", "else");
    assert_eq!(session(&node, "other", "else/#", 3), sent("else"));
    stop(node);
    // Not even a second start without them deletes anything.
    stop(start(&data));
    fs::rename(&away, tables(&data)).unwrap();
    let node = start(&data);
    assert_eq!(in_queue(&node, "orders"), sent("order"));
    assert_eq!(in_stream(&node, "tele"), sent("value"));
    assert_eq!(session(&node, "reader", "news/#", 3), sent("news"));
}

#[test]
fn a_damaged_file_is_set_aside_and_an_earlier_one_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stop(filled(&data));
    let quarantine = data.join("quarantine");
    for count in 1..=2 {
        let damaged = vec![count; 100_000];
        fs::write(tables(&data), &damaged).unwrap();
        let node = start(&data);
        assert_eq!(metric(&node, "headwater_table_set_aside"), 1);
        assert!(node.log().contains("tables.redb was damaged beyond repair"), "{}", node.log());
        stop(node);
        let aside = fs::read_dir(&quarantine).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let aside: Vec<_> = aside.collect();
        assert!(aside.len() == usize::from(count) && aside.contains(&damaged));
    }
    let node = start(&data);
    assert_eq!(metric(&node, "headwater_table_set_aside"), 0);
}

#[test]
fn what_was_removed_is_gone_also_when_the_node_is_killed_and_the_tables_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = filled(&data);
    assert_eq!(node.api("DELETE", "/queues/orders").status, 204);
    assert_eq!(node.api("DELETE", "/streams/tele").status, 204);
    node.kill();
    stop(start(&data));
    assert_eq!(fs::read_dir(data.join("streams")).unwrap().count(), 0);
    fs::remove_file(tables(&data)).unwrap();
    let node = start(&data);
    assert_eq!(node.api("GET", "/queues/orders").status, 404);
    assert_eq!(node.api("GET", "/streams/tele").status, 404);
}
