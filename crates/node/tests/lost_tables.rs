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

/// Checks that all of [`filled`] is there; messages of the session are taken.
fn check_all(node: &Node) {
    assert_eq!(in_queue(node, "orders"), sent("order"));
    assert_eq!(in_stream(node, "tele"), sent("value"));
    for (path, binding) in [("/queues/orders", "shop/#"), ("/streams/tele", "plant/#")] {
        let settings = node.api("GET", path).json()["settings"].clone();
        assert_eq!((&settings["messages_max"], &settings["bindings"][0]), (&json!(77), &json!(binding)));
    }
    assert_eq!(session(node, "reader", "news/#", 3), sent("news"));
}

fn restored(node: &Node) -> [u64; 3] {
    ["sessions", "queues", "streams"].map(|what| metric(node, &format!("headwater_restored_{what}")))
}

fn unknown(node: &Node) -> [u64; 3] {
    ["destinations", "messages", "streams"].map(|what| metric(node, &format!("headwater_unknown_{what}")))
}

#[test]
fn what_lost_tables_knew_is_made_again_and_nothing_new_gets_any_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stop(filled(&data));
    fs::remove_file(tables(&data)).unwrap();
    let config = folder.path().join("headwater.toml");
    fs::write(&config, "[queues.alarms]\nbindings = [\"alarm/#\"]\n").unwrap();
    let node = Node::start_in(&data, &NodeOptions { config: Some(config), ..NodeOptions::default() });
    // With the dead letter queue.
    assert_eq!((restored(&node), unknown(&node)), ([1, 2, 1], [0, 0, 0]));
    assert!(node.log().contains("tables.redb did not know"), "{}", node.log());
    assert_eq!(in_queue(&node, "alarms"), Vec::<String>::new());
    session(&node, "other", "else/#", 0);
    publish(&node, "else/1", "else");
    assert_eq!(session(&node, "other", "else/#", 3), sent("else"));
    stop(node);
    // A session whose client has not come is still forgotten.
    let node = start(&data);
    assert_eq!((restored(&node), unknown(&node)), ([1, 0, 0], [0, 0, 0]));
    check_all(&node);
    stop(node);
    assert_eq!(restored(&start(&data)), [0, 0, 0]);
}

#[test]
fn tables_that_are_put_back_know_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stop(filled(&data));
    let away = folder.path().join("away");
    fs::rename(tables(&data), &away).unwrap();
    // Not even a second start without them deletes anything.
    start(&data).kill();
    stop(start(&data));
    fs::rename(&away, tables(&data)).unwrap();
    let node = start(&data);
    assert_eq!((restored(&node), unknown(&node)), ([0, 0, 0], [0, 0, 0]));
    check_all(&node);
}

#[test]
fn an_older_copy_of_the_tables_takes_nothing_that_came_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let copy = folder.path().join("copy");
    stop(start(&data));
    fs::copy(tables(&data), &copy).unwrap();
    stop(filled(&data));
    fs::copy(&copy, tables(&data)).unwrap();
    let node = start(&data);
    assert_eq!((restored(&node), unknown(&node)), ([1, 2, 1], [0, 0, 0]));
    check_all(&node);
    stop(node);
    // The copy knows what was removed since, and made again under the same name.
    fs::copy(tables(&data), &copy).unwrap();
    let node = start(&data);
    for path in ["/queues/orders", "/streams/tele"] {
        assert_eq!(node.api("DELETE", path).status, 204);
        make(&node, path, &json!({}));
        send(&node, path, "again");
    }
    stop(node);
    fs::copy(&copy, tables(&data)).unwrap();
    let node = start(&data);
    assert_eq!((restored(&node), unknown(&node)), ([0, 1, 1], [0, 0, 0]));
    assert_eq!(in_queue(&node, "orders"), sent("again"));
    assert_eq!(in_stream(&node, "tele"), sent("again"));
}

#[test]
fn what_nobody_knows_any_more_is_kept_until_it_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stop(filled(&data));
    fs::remove_file(tables(&data)).unwrap();
    let stream = fs::read_dir(data.join("streams")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(stream.join("label")).unwrap();
    let number = stream.file_name().unwrap().to_str().unwrap();
    let node = start(&data);
    assert_eq!(unknown(&node), [0, 0, 1]);
    assert!(node.log().contains(&format!("headwater store discard {number}")), "{}", node.log());
    stop(node);
    let node = start(&data);
    assert_eq!(unknown(&node), [0, 0, 1]);
    let discard = |number: &str| node.command(&["store", "discard", number]);
    assert!(discard(number).2.contains("stop it first"));
    let data_of_node = node.data_dir.clone();
    stop(node);
    let discard = |number: &str| {
        let arguments = ["store", "discard", number, "--data-dir", data_of_node.to_str().unwrap()];
        let output = harness::headwater().args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let orders = start(&data);
    let known = fs::read_dir(data.join("streams")).unwrap().count();
    assert_eq!((known, orders.api("GET", "/queues/orders").status), (1, 200));
    stop(orders);
    assert!(discard(number).0);
    let node = start(&data);
    assert_eq!(unknown(&node), [0, 0, 0]);
    assert!(!stream.exists());
    assert_eq!(in_queue(&node, "orders"), sent("order"));
    make(&node, "/streams/tele", &json!({}));
    let made = fs::read_dir(data.join("streams")).unwrap().next().unwrap().unwrap().file_name();
    stop(node);
    let (done, said) = discard(made.to_str().unwrap());
    assert!(!done && said.contains("stream `tele`, which the tables know"), "{said}");
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

#[test]
fn a_node_starts_with_any_bit_of_its_tables_flipped_and_with_all_messages() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stop(filled(&data));
    let sound = fs::read(tables(&data)).unwrap();
    let used: Vec<usize> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
    for place in 0..16 {
        let mut damaged = sound.clone();
        damaged[used[place * used.len() / 16]] ^= 1 << (place % 8);
        fs::write(tables(&data), damaged).unwrap();
        let node = start(&data);
        assert_eq!(in_queue(&node, "orders"), sent("order"));
        assert_eq!(in_stream(&node, "tele"), sent("value"));
        stop(node);
    }
    let node = start(&data);
    assert_eq!(session(&node, "reader", "news/#", 3), sent("news"));
}
