//! Retained messages outlive the node, however it ends: what was acknowledged is there, what was cleared is not, and an
//! expiry counts while the node is away.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::mosquitto::{Subscriber, publish, publish_with};
use crate::node::Node;
use crate::patience::{eventually, now};

/// Ends a node.
type End = fn(&mut Node);

/// Publishes a retained message at QoS 1, as MQTT 5, and waits for the acknowledgement.
fn retain(node: &Node, topic: &str, payload: &str, properties: &[&str]) {
    let mut arguments = vec!["-V", "5", "-q", "1", "-r", "-t", topic];
    if payload.is_empty() {
        arguments.push("-n");
    } else {
        arguments.extend(["-m", payload]);
    }
    arguments.extend_from_slice(properties);
    let output = publish_with(node, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All retained messages that a filter matches: their topics and payloads, sorted.
fn retained(node: &Node, filter: &str) -> Vec<(String, String)> {
    let subscriber = Subscriber::start(node, &[filter, "end"]);
    // What is retained comes before what is published now.
    publish(node, "end", "now");
    subscriber.await_payloads("end", 1);
    let messages = subscriber.messages();
    let kept = messages.iter().filter(|message| message.retained);
    let mut found: Vec<_> = kept.map(|message| (message.topic.clone(), message.payload.clone())).collect();
    found.sort();
    found
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(topic, payload)| ((*topic).to_owned(), (*payload).to_owned())).collect()
}

fn metric(node: &Node, name: &str) -> f64 {
    let metrics = node.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_any_end_and_what_was_cleared_is_not() {
    let ends: [(&str, End); 2] = [
        ("kill -9", Node::kill),
        ("SIGTERM", |node| {
            node.terminate();
            assert!(node.await_end().success());
        }),
    ];
    let mut node = Node::start();
    retain(&node, "plant/text", "1", &["-D", "publish", "content-type", "text/plain"]);
    let user = ["-D", "publish", "user-property", "unit", "°C", "-D", "publish", "response-topic", "answers"];
    retain(&node, "plant/user", "2", &user);
    for (round, (name, end)) in ends.into_iter().enumerate() {
        let round = round.to_string();
        for payload in ["old", &round] {
            retain(&node, "plant/last", payload, &[]);
            retain(&node, "plant/cleared", payload, &[]);
        }
        retain(&node, "plant/cleared", "", &[]);
        assert!(metric(&node, "headwater_table_commits_total") > 0.0);
        end(&mut node);
        node = node.start_again();
        let expected = [("plant/last", round.as_str()), ("plant/text", "1"), ("plant/user", "2")];
        assert_eq!(retained(&node, "plant/#"), pairs(&expected), "after {name}");
    }
    let mut sub = Command::new("mosquitto_sub");
    sub.args(["-V", "5", "-p", node.mqtt_port(), "-t", "plant/text", "-t", "plant/user", "-C", "2"]);
    let output = sub.args(["-F", "%t %q %r %p %C|%P|%R"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["plant/text 0 1 1 text/plain||", "plant/user 0 1 2 |unit:°C|answers"]);
}

#[test]
fn what_was_sent_without_acknowledgement_is_there_after_an_orderly_end() {
    let mut node = Node::start();
    let output = publish_with(&node, &["-q", "0", "-r", "-t", "plant/fast", "-m", "1"]);
    assert!(output.status.success());
    eventually("the message", || (retained(&node, "plant/#").len() == 1).then_some(()));
    node.terminate();
    assert!(node.await_end().success());
    let node = node.start_again();
    assert_eq!(retained(&node, "plant/#"), pairs(&[("plant/fast", "1")]));
}

#[test]
fn a_node_that_is_killed_while_messages_change_has_the_last_acknowledged_one_or_a_later_one() {
    let mut node = Node::start();
    for round in 0..4 {
        let (acknowledged, sent) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let port = node.mqtt_port().to_owned();
            let (acknowledged, sent) = (&acknowledged, &sent);
            let publisher = scope.spawn(move || {
                for number in 1.. {
                    sent.store(number, Ordering::SeqCst);
                    let message = format!("{round}-{number}");
                    let mut publish = Command::new("mosquitto_pub");
                    publish.args(["-p", &port, "-q", "1", "-r", "-t", "plant/last", "-m", &message]);
                    if !publish.output().unwrap().status.success() {
                        return;
                    }
                    acknowledged.store(number, Ordering::SeqCst);
                }
            });
            let enough = 5 + round;
            eventually("acknowledgements", || (acknowledged.load(Ordering::SeqCst) >= enough).then_some(()));
            node.kill();
            publisher.join().unwrap();
        });
        node = node.start_again();
        let found = retained(&node, "plant/#");
        let [(_, payload)] = found.as_slice() else { panic!("{found:?}") };
        let (found_round, number) = payload.split_once('-').unwrap();
        let number: u32 = number.parse().unwrap();
        assert_eq!(found_round, round.to_string());
        let (acknowledged, sent) = (acknowledged.into_inner(), sent.into_inner());
        assert!((acknowledged..=sent).contains(&number), "{acknowledged} was acknowledged, {number} is there");
    }
}

#[test]
fn an_expiry_counts_while_the_node_is_away() {
    let mut node = Node::start();
    let published = now();
    retain(&node, "plant/short", "1", &["-D", "publish", "message-expiry-interval", "2"]);
    retain(&node, "plant/long", "1", &["-D", "publish", "message-expiry-interval", "3600"]);
    node.kill();
    let away = Duration::from_secs(3);
    eventually("the end of a life of 2 s", || (now().duration_since(published) > away).then_some(()));
    let node = node.start_again();
    let mut sub = Command::new("mosquitto_sub");
    let output =
        sub.args(["-V", "5", "-p", node.mqtt_port(), "-t", "plant/long", "-C", "1", "-F", "%E"]).output().unwrap();
    let left: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!(left <= 3_598, "{left} s are left");
    assert_eq!(retained(&node, "plant/#"), pairs(&[("plant/long", "1")]));
}
