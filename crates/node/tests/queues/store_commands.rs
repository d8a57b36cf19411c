//! `headwater store` beside what a node left, whole and damaged, and nodes that start on it.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::Queue;
use crate::harness::{Node, NodeOptions, headwater, http};
use crate::remains::{filled, in_session, segments, stream_log};

fn store(data: &Path, arguments: &[&str]) -> Output {
    headwater().arg("store").args(arguments).arg("--data-dir").arg(data).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn verified(data: &Path) -> (bool, Value) {
    let output = store(data, &["verify", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(i32::from(found["whole"] != true)), "{found:#}");
    (output.status.success(), found)
}

/// Changes a byte in the message that has this payload; the file is the answer.
fn damage(folder: &Path, payload: &str) -> PathBuf {
    for path in segments(folder) {
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(payload.len()).position(|window| window == payload.as_bytes()) {
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            return path;
        }
    }
    panic!("no file has {payload}");
}

fn payload(number: usize) -> String {
    format!("message {number:04}")
}

/// What a node leaves that was stopped: ten messages in a queue, for a session, and in a stream.
fn left(data: &Path) {
    let node = filled(data, &(0..10).map(payload).collect::<Vec<_>>());
    let held = store(data, &["verify"]);
    assert_eq!(held.status.code(), Some(1));
    assert!(text(&held.stderr).contains("a node runs in the data directory"), "{}", text(&held.stderr));
    assert!(node.stop().success());
}

#[test]
fn a_store_is_looked_at_while_its_node_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(text(&store(&data, &["verify"]).stderr).contains("there is no data directory"));
    left(&data);
    let (whole, found) = verified(&data);
    assert!(whole, "{found:#}");
    assert_eq!(found["logs"][0]["files"][0]["messages"], 10, "{found:#}");
    let overview: Value = serde_json::from_slice(&store(&data, &["inspect", "--json"]).stdout).unwrap();
    let waiting = overview["destinations"].as_array().unwrap();
    for name in ["queue `orders`", "session `reader`"] {
        assert!(waiting.iter().any(|it| it["name"] == name && it["messages"] == 10), "{name} in {overview:#}");
    }
    let shown = text(&store(&data, &["inspect"]).stdout);
    assert!(shown.contains("stream `history`") && shown.contains("session `reader`"), "{shown}");
    for asked in [["--destination", "reader"], ["--destination", "orders"], ["--stream", "history"]] {
        let arguments = [&["inspect", "--from", "3", "--limit", "2", "--json"][..], &asked].concat();
        let messages: Value = serde_json::from_slice(&store(&data, &arguments).stdout).unwrap();
        let payloads: Vec<&str> =
            messages.as_array().unwrap().iter().map(|it| it["payload"]["text"].as_str().unwrap()).collect();
        assert_eq!(payloads, [payload(3), payload(4)], "{asked:?}");
    }
    assert_eq!(store(&data, &["inspect", "--stream", "none"]).status.code(), Some(1));
    // Whoever looked changed nothing.
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(Queue::of(&node, "orders").show()["messages"], 10);
}

#[test]
fn a_node_starts_on_damage_says_so_and_keeps_a_copy_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    left(&data);
    let spool_file = damage(&data.join("spool"), &payload(4));
    let stream_file = damage(&stream_log(&data), &payload(6));
    let (whole, found) = verified(&data);
    assert!(!whole);
    for (log, path) in [(0, &spool_file), (1, &stream_file)] {
        let files = found["logs"][log]["files"].as_array().unwrap();
        let damaged = files.iter().find(|file| path.ends_with(file["file"].as_str().unwrap())).unwrap();
        assert_eq!(damaged["damage"][0]["records"], 1, "{found:#}");
    }
    // It starts with all that is whole, says what is not, and keeps a copy of the damaged bytes.
    let node = Node::start_in(&data, &NodeOptions::default());
    let metrics = http(node.web, "GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("headwater_spool_damaged_places 1"), "{metrics}");
    assert!(node.log().contains("is damaged"), "{}", node.log());
    let name = spool_file.file_name().unwrap().to_string_lossy().into_owned();
    let aside: Vec<String> = std::fs::read_dir(data.join("spool/quarantine"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(aside.len() == 1 && aside[0].starts_with(&name), "{aside:?}");
    let expected: Vec<String> = (0..10).filter(|number| *number != 4).map(payload).collect();
    assert_eq!(Queue::of(&node, "orders").payloads(100), expected);
    assert!(node.stop().success());
    // What was being filled has got an index of what is whole.
    assert!(verified(&data).0);
}

#[test]
fn damage_in_what_was_long_complete_is_found_and_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    left(&data);
    // A start completes the file that was being filled.
    assert!(Node::start_in(&data, &NodeOptions::default()).stop().success());
    damage(&data.join("spool"), &payload(4));
    let (whole, found) = verified(&data);
    assert!(!whole);
    let lost = &found["logs"][0]["files"][0]["damage"][0]["lost"];
    let names: Vec<&str> = lost.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["queue `orders`", "session `reader`"], "{found:#}");
    let expected: Vec<String> = (0..10).filter(|number| *number != 4).map(payload).collect();
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(Queue::of(&node, "orders").payloads(100), expected);
    assert!(node.stop().success());
    assert!(!verified(&data).0, "it is there until it is taken out");
    let repaired = store(&data, &["repair"]);
    assert!(repaired.status.success(), "{}", text(&repaired.stderr));
    assert!(text(&repaired.stdout).contains("written anew without the damage"), "{}", text(&repaired.stdout));
    let (whole, found) = verified(&data);
    assert!(whole, "{found:#}");
    assert!(!text(&store(&data, &["repair"]).stdout).contains("written anew"), "a second time changes nothing");
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(in_session(&node, 9), expected);
}

#[test]
fn a_file_that_was_cut_is_told_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    left(&data);
    let last = segments(&data.join("spool")).pop().unwrap();
    let bytes = std::fs::read(&last).unwrap();
    let at = bytes.windows(12).position(|window| window == payload(7).as_bytes()).unwrap();
    std::fs::write(&last, &bytes[..at]).unwrap();
    let (whole, found) = verified(&data);
    assert!(!whole, "{found:#}");
    let repaired: Value = serde_json::from_slice(&store(&data, &["repair", "--json"]).stdout).unwrap();
    assert_eq!(repaired["logs"][0]["whole"], false, "{repaired:#}");
    assert!(repaired["logs"][0]["quarantined_bytes"].as_u64().unwrap() > 0);
    assert!(verified(&data).0);
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(Queue::of(&node, "orders").payloads(100), (0..7).map(payload).collect::<Vec<_>>());
    assert_eq!(Queue::of(&node, "orders").put("", "after").status, 204);
    assert_eq!(Queue::of(&node, "orders").payloads(100), ["after"]);
}
