//! Sessions outlive the node, however it ends: what was acknowledged while their clients were away reaches them once, in
//! order, and their subscriptions and wills are still there.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::curl::curl;
use crate::flow_text::chain;
use crate::mosquitto::publish_with;
use crate::node::Node;
use crate::patience::eventually;

const MESSAGES: usize = 3_000;

/// mosquitto_sub with a session that stays: subscribes, or takes what waits, and ends.
fn session(node: &Node, client: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", node.mqtt_port(), "-c", "-i", client, "-q", "2", "-W", "200"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn subscribe(node: &Node, client: &str, filter: &str) {
    session(node, client, &["-t", filter, "-E"]);
}

/// The next messages of a session, in the order in which they come.
fn take(node: &Node, client: &str, filter: &str, count: usize) -> Vec<String> {
    let output = session(node, client, &["-t", filter, "-C", &count.to_string()]);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Publishes numbers and waits until each is acknowledged.
fn publish_numbers(node: &Node, topic: &str, qos: &str, numbers: std::ops::Range<usize>) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", node.mqtt_port(), "-t", topic, "-q", qos, "-l"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let lines: String = numbers.map(|number| format!("{number}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Tells only where the two part.
#[track_caller]
fn assert_numbers(found: &[String], range: std::ops::Range<usize>) {
    let first = found.iter().zip(range.clone()).find(|(found, number)| **found != number.to_string());
    assert_eq!((first, found.len()), (None, range.len()));
}

#[test]
fn what_waits_for_a_client_is_there_after_any_end_of_the_node() {
    let mut node = Node::start();
    subscribe(&node, "once", "plant/once");
    subscribe(&node, "twice", "plant/#");
    publish_numbers(&node, "plant/once", "2", 0..MESSAGES);
    node.kill();
    node = node.start_again();
    publish_numbers(&node, "plant/other", "1", MESSAGES..2 * MESSAGES);
    node.terminate();
    assert!(node.await_end().success());
    node = node.start_again();
    assert_numbers(&take(&node, "once", "plant/once", MESSAGES), 0..MESSAGES);
    node.kill();
    node = node.start_again();
    let all = take(&node, "twice", "plant/#", 2 * MESSAGES);
    // There is an order in each topic, not between them.
    let (once, other): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|number| number.parse::<usize>().unwrap() < MESSAGES);
    assert_numbers(&once, 0..MESSAGES);
    assert_numbers(&other, MESSAGES..2 * MESSAGES);
    // What was taken does not come again.
    publish_numbers(&node, "plant/once", "1", 7..8);
    assert_eq!(take(&node, "once", "plant/once", 1), ["7"]);
    assert_eq!(take(&node, "twice", "plant/#", 1), ["7"]);
}

#[test]
fn an_unsubscription_outlives_the_node_as_well() {
    let mut node = Node::start();
    subscribe(&node, "reader", "a");
    session(&node, "reader", &["-t", "b", "-U", "a", "-E"]);
    // mosquitto_sub does not wait for UNSUBACK. What is written after it is on disk after it.
    subscribe(&node, "later", "c");
    node.kill();
    node = node.start_again();
    publish_numbers(&node, "a", "1", 0..1);
    publish_numbers(&node, "b", "1", 1..2);
    assert_eq!(take(&node, "reader", "b", 1), ["1"]);
}

#[test]
fn the_will_of_a_client_that_was_there_is_sent_when_the_node_is_back() {
    let mut node = Node::start();
    subscribe(&node, "reader", "will");
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", node.mqtt_port(), "-c", "-i", "machine", "-q", "1", "-t", "ready"]);
    command.args(["--will-topic", "will", "--will-payload", "gone", "--will-qos", "1"]);
    let mut machine = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the machine's session", || {
        node.metrics().contains("headwater_mqtt_sessions_connected 1").then_some(())
    });
    node.kill();
    // It would come back and take its will with it.
    machine.kill().unwrap();
    machine.wait().unwrap();
    node = node.start_again();
    assert_eq!(take(&node, "reader", "will", 1), ["gone"]);
}

#[test]
fn a_clean_start_forgets_what_waited() {
    let mut node = Node::start();
    subscribe(&node, "reader", "a");
    publish_numbers(&node, "a", "1", 0..10);
    let clean = publish_with(&node, &["-i", "reader", "-q", "1", "-t", "other", "-m", "x"]);
    assert!(clean.status.success());
    node.kill();
    node = node.start_again();
    subscribe(&node, "reader", "a");
    publish_numbers(&node, "a", "1", 10..11);
    assert_eq!(take(&node, "reader", "a", 1), ["10"]);
}

#[test]
fn an_http_answer_of_a_flow_promises_that_what_it_published_is_on_disk() {
    let mut node = Node::start();
    subscribe(&node, "reader", "orders");
    let listener = "{ type = 'http-listener', with = { path = '/orders', verb = 'POST' } }";
    let publisher = "{ type = 'mqtt-pub-broker', with = { topic = 'orders', qos = 1 } }";
    node.deploy("orders", &chain("orders", &[listener, publisher]));
    let answers: usize = 20;
    for number in 0..answers {
        let url = node.endpoint("/orders");
        let answer = curl(&["--header", "content-type: application/json", &url], Some(number.to_string().as_bytes()));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    node.kill();
    node = node.start_again();
    assert_numbers(&take(&node, "reader", "orders", answers), 0..answers);
}
