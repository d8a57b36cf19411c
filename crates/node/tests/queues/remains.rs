//! What a node leaves that was stopped: the same messages in a queue, for a session and in a stream.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Node, NodeOptions};
use crate::{Queue, mosquitto};

/// Starts a node and brings it these messages.
pub(crate) fn filled(data: &Path, payloads: &[String]) -> Node {
    let node = Node::start_in(data, &NodeOptions::default());
    Queue::made(&node, "orders", &json!({ "bindings": ["shop/#"] }));
    let stream = node.api_json("PUT", "/streams/history", &json!({ "bindings": ["shop/#"] }));
    assert_eq!(stream.status, 201, "{}", stream.text());
    reader(&node, &["-E"]);
    for payload in payloads {
        assert!(mosquitto(&node, "mosquitto_pub", &["-t", "shop/1", "-q", "1", "-m", payload]).status.success());
    }
    node
}

/// What waits for the session, up to so many messages.
pub(crate) fn in_session(node: &Node, messages: usize) -> Vec<String> {
    reader(node, &["-C", &messages.to_string()])
}

fn reader(node: &Node, more: &[&str]) -> Vec<String> {
    let session = ["-c", "-x", "3600", "-i", "reader", "-q", "1", "-t", "shop/#"];
    let output = mosquitto(node, "mosquitto_sub", &[&session, more].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The log of the node's only stream.
pub(crate) fn stream_log(data: &Path) -> PathBuf {
    std::fs::read_dir(data.join("streams")).unwrap().next().unwrap().unwrap().path()
}

/// The files of the log in a folder, in order.
pub(crate) fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    segments.sort();
    segments
}
