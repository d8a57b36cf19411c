//! Durable subscriptions: what is published while a flow does not run, or does not come to the end of an itinerary, waits
//! for it on disk.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::flow_text::{chain, publish as publish_step, script, subscribe};
use crate::mosquitto::{Publisher, Subscriber, publish, publish_with};
use crate::node::Node;
use crate::patience::eventually;

fn durable(topic: &str) -> String {
    durable_with(topic, "")
}

/// A durable subscription with settings of its backlog.
fn durable_with(topic: &str, backlog: &str) -> String {
    format!(
        r#"{{ type = "mqtt-sub-broker", with = {{ topic = "{topic}", durable = true, backlog = {{ {backlog} }} }} }}"#
    )
}

/// Passes on what comes to `line/in`, with the edition.
fn line(edition: usize) -> String {
    let code = format!("message.data = {{ number: message.data, edition: {edition} }};");
    chain("line", &[&durable("line/in"), &script(&code), &publish_step("line/out")])
}

fn send_numbers(node: &Node, topic: &str, numbers: std::ops::Range<usize>) {
    let mut publisher = Publisher::start(node, topic);
    numbers.for_each(|number| publisher.send(&number.to_string()));
    publisher.finish();
}

/// The numbers that came on `line/out`, and the editions that they came from.
fn numbers_and_editions(subscriber: &Subscriber, count: usize) -> (Vec<u64>, Vec<u64>) {
    let payloads = subscriber.await_payloads("line/out", count);
    let payloads = payloads.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
    payloads.map(|it| (it["number"].as_u64().unwrap(), it["edition"].as_u64().unwrap())).unzip()
}

fn queue(node: &Node, name: &str) -> Option<Value> {
    let answer = node.api("GET", &format!("/queues/{name}"), None);
    (answer.status == 200).then(|| answer.json())
}

fn waiting(node: &Node, name: &str) -> u64 {
    queue(node, name).expect("the queue is there")["messages"].as_u64().unwrap()
}

fn await_empty(node: &Node, name: &str) {
    eventually(&format!("an empty queue {name}"), || (waiting(node, name) == 0).then_some(()));
}

/// Takes messages out of a queue for good, and gives their payloads.
fn take(node: &Node, name: &str) -> Vec<String> {
    let taken = node.api("POST", &format!("/queues/{name}/consume?max=1000"), None).json();
    let messages = taken["messages"].as_array().unwrap();
    let texts = |pointer: &str| -> Vec<String> {
        messages.iter().map(|message| message.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
    };
    let receipts = serde_json::json!({ "receipts": texts("/receipt") }).to_string();
    let settled = node.api("POST", &format!("/queues/{name}/ack"), Some(("application/json", &receipts)));
    assert_eq!(settled.json()["settled"], messages.len());
    texts("/message/payload")
}

#[test]
fn what_is_published_while_the_flow_is_stopped_or_the_node_restarts_is_worked_off_in_order() {
    let mut node = Node::start();
    node.deploy("line", &line(1));
    let subscriber = Subscriber::start(&node, &["line/out"]);
    send_numbers(&node, "line/in", 0..50);
    subscriber.await_payloads("line/out", 50);
    node.post("/flows/line/stop");
    send_numbers(&node, "line/in", 50..150);
    // Also what is sent without a claim to arrive.
    assert!(publish_with(&node, &["-q", "0", "-t", "line/in", "-m", "150"]).status.success());
    eventually("the last message", || (waiting(&node, "line.s0") == 101).then_some(()));
    node.kill();
    let node = node.start_again();
    assert_eq!((node.flow("line")["status"].as_str(), waiting(&node, "line.s0")), (Some("stopped"), 101));
    send_numbers(&node, "line/in", 151..200);
    let subscriber = Subscriber::start(&node, &["line/out"]);
    node.post("/flows/line/start");
    let (numbers, _) = numbers_and_editions(&subscriber, 150);
    assert!(numbers.iter().copied().eq(50..200), "{numbers:?}");
    await_empty(&node, "line.s0");
    assert_eq!(queue(&node, "line.s0").unwrap()["redelivered"], 0);
}

#[test]
fn no_message_is_lost_doubled_or_overtaken_while_the_flow_is_redeployed() {
    let node = Node::start();
    node.deploy("line", &line(1));
    let subscriber = Subscriber::start(&node, &["line/out"]);
    let mut publisher = Publisher::start(&node, "line/in");
    for edition in 2..=12 {
        (0..100).for_each(|number| publisher.send(&((edition - 2) * 100 + number).to_string()));
        node.deploy("line", &line(edition));
    }
    publisher.finish();
    let (numbers, editions) = numbers_and_editions(&subscriber, 1_100);
    assert!(numbers.iter().copied().eq(0..1_100), "{numbers:?}");
    assert!(editions.is_sorted(), "{editions:?}");
    await_empty(&node, "line.s0");
}

#[test]
fn a_subscription_that_becomes_durable_or_ceases_to_be_misses_and_doubles_nothing() {
    let node = Node::start();
    let plain = |edition| line(edition).replace(", durable = true, backlog = {  }", ", qos = 1");
    let retained = ["-q", "1", "-r", "-t", "line/in", "-m", "0"];
    assert!(publish_with(&node, &retained).status.success());
    let subscriber = Subscriber::start(&node, &["line/out"]);
    node.deploy("line", &plain(1));
    subscriber.await_payloads("line/out", 1);
    let mut publisher = Publisher::start(&node, "line/in");
    for edition in 2..=12 {
        (1..=100).for_each(|number| publisher.send(&((edition - 2) * 100 + number).to_string()));
        // What a durable subscription has on disk goes with it.
        if edition % 2 == 1 {
            subscriber.await_payloads("line/out", (edition - 1) * 100 + 1);
        }
        node.deploy("line", &if edition % 2 == 0 { line(edition) } else { plain(edition) });
    }
    publisher.finish();
    let (mut numbers, _) = numbers_and_editions(&subscriber, 1_101);
    assert_eq!(numbers.len(), 1_101);
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..=1_100), "{numbers:?}");
}

#[test]
fn what_is_retained_comes_once_to_a_new_durable_subscription() {
    let mut node = Node::start();
    for topic in ["line/in", "other/in"] {
        assert!(publish_with(&node, &["-q", "1", "-r", "-t", topic, "-m", "7"]).status.success());
    }
    let flow = |topic: &str| chain("line", &[&durable(topic), r#"{ type = "queue-publish", with.queue = "seen" }"#]);
    assert_eq!(node.api("PUT", "/queues/seen", Some(("application/json", "{}"))).status, 201);
    node.deploy("line", &flow("line/in"));
    eventually("the retained message", || (waiting(&node, "seen") == 1).then_some(()));
    node.deploy("line", &flow("line/in"));
    node.kill();
    let node = node.start_again();
    node.deploy("line", &flow("+/in"));
    publish(&node, "last/in", "8");
    let mut seen = eventually("the last message", || (waiting(&node, "seen") >= 4).then(|| take(&node, "seen")));
    assert_eq!(seen.pop().as_deref(), Some("8"), "the new filter brings both of its own: {seen:?}");
    assert_eq!(seen, ["7"; 3]);
}

#[test]
fn messages_under_way_when_the_node_is_killed_come_again() {
    let mut node = Node::start();
    // The second queue has room for a part of them: the others are under way and tried again when the node is killed.
    let put =
        r#"{ type = "queue-publish", with.queue = "done", retry = { max = 1000, delay_ms = 50, delay_max_ms = 50 } }"#;
    let settings = r#"{"messages_max":100,"ack_timeout_s":600}"#;
    assert_eq!(node.api("PUT", "/queues/done", Some(("application/json", settings))).status, 201);
    node.deploy("line", &chain("line", &[&durable_with("line/in", "in_flight_max = 150"), put]));
    send_numbers(&node, "line/in", 0..500);
    let mut done = BTreeSet::new();
    for _ in 0..3 {
        eventually("messages under way", || {
            let shown = queue(&node, "line.s0").unwrap();
            (waiting(&node, "done") == 100 && shown["in_flight"] == 150).then_some(())
        });
        node.kill();
        node = node.start_again();
        done.extend(take(&node, "done"));
    }
    eventually("all messages", || {
        done.extend(take(&node, "done"));
        (done.len() == 500).then_some(())
    });
    await_empty(&node, "line.s0");
    assert_eq!(queue(&node, "line.s0.dead").unwrap()["messages"], 0);
}

#[test]
fn a_message_that_fails_comes_again_and_is_kept_as_a_dead_letter_at_last() {
    let node = Node::start();
    let code = "if (message.data === 'bad') throw new Error('no');";
    let flow = |code: &str| {
        let text =
            chain("line", &[&durable_with("line/in", "deliveries_max = 2"), &script(code), &publish_step("line/out")]);
        text.replacen("to = \"s2\"\n", "to = \"s2\"\nroute = \"message.headwater.success\"\n", 1)
    };
    node.deploy("line", &flow(code));
    let subscriber = Subscriber::start(&node, &["line/out"]);
    publish(&node, "line/in", "\"bad\"");
    publish(&node, "line/in", "\"good\"");
    assert_eq!(subscriber.await_payloads("line/out", 1), ["\"good\""]);
    let dead = eventually("a dead letter", || queue(&node, "line.s0.dead").filter(|shown| shown["messages"] == 1));
    assert_eq!((&dead["flow"], &dead["module"]), (&"line".into(), &"s0".into()));
    await_empty(&node, "line.s0");
    // Mended, the flow takes it.
    node.deploy("line", &flow(""));
    let requeued = node.api("POST", "/queues/line.s0.dead/requeue", None).json();
    assert_eq!(requeued["requeued"], 1, "{requeued}");
    assert_eq!(subscriber.await_payloads("line/out", 2), ["\"good\"", "\"bad\""]);
}

#[test]
fn another_filter_takes_the_place_of_the_first_and_what_waited_stays() {
    let node = Node::start();
    let flow = |topic: &str| chain("line", &[&durable(topic), &publish_step("line/out")]);
    node.deploy("line", &flow("line/a"));
    node.post("/flows/line/stop");
    publish(&node, "line/a", "1");
    let subscriber = Subscriber::start(&node, &["line/out"]);
    node.deploy("line", &flow("line/b"));
    publish(&node, "line/a", "2");
    publish(&node, "line/b", "3");
    assert_eq!(subscriber.await_payloads("line/out", 2), ["1", "3"]);
}

#[test]
fn a_disabled_module_keeps_what_it_has_and_one_that_is_gone_does_not() {
    let node = Node::start();
    let flow = |rest: &str| {
        let sub = durable("line/in").replacen("type =", &format!("{rest}type ="), 1);
        chain("line", &[&sub, &publish_step("line/out"), &subscribe("line/other")]).replacen(
            "from = \"s1\"\nto = \"s2\"",
            "from = \"s2\"\nto = \"s1\"",
            1,
        )
    };
    node.deploy("line", &flow(""));
    node.deploy("line", &flow("disabled = true, "));
    publish(&node, "line/in", "1");
    assert_eq!(waiting(&node, "line.s0"), 1);
    let subscriber = Subscriber::start(&node, &["line/out"]);
    node.deploy("line", &flow(""));
    assert_eq!(subscriber.await_payloads("line/out", 1), ["1"]);
    node.deploy("line", &chain("line", &[&subscribe("line/in"), &publish_step("line/out")]));
    assert_eq!((queue(&node, "line.s0"), queue(&node, "line.s0.dead")), (None, None));
}

#[test]
fn a_full_backlog_tells_the_publisher_or_drops_what_its_policy_says() {
    let node = Node::start();
    for (policy, kept) in [("refuse", ["0", "1"]), ("drop-oldest", ["1", "2"]), ("drop-newest", ["0", "1"])] {
        let sub = durable_with("line/in", &format!("messages_max = 2, policy = '{policy}'"));
        node.deploy("line", &chain("line", &[&sub, &publish_step("line/out")]));
        node.post("/flows/line/stop");
        for payload in ["0", "1", "2"] {
            let output = publish_with(&node, &["-V", "5", "-q", "1", "-d", "-t", "line/in", "-m", payload]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            let is_refused = said.contains("RC:151") || said.contains("Quota exceeded");
            assert_eq!(is_refused, policy == "refuse" && payload == "2", "{policy}: {said}");
        }
        let subscriber = Subscriber::start(&node, &["line/out"]);
        node.post("/flows/line/start");
        assert_eq!(subscriber.await_payloads("line/out", 2), kept, "{policy}");
        await_empty(&node, "line.s0");
    }
}

#[test]
fn a_message_that_gets_its_flow_stuck_is_a_dead_letter_at_last_and_those_behind_it_go_on() {
    let node = Node::start();
    let code = "if (message.data === 'trouble') { const a = []; a.length = 4e9; a.reverse(); }";
    let sub = durable_with("line/in", "deliveries_max = 2");
    node.deploy("line", &chain("line", &[&sub, &script(code), &publish_step("line/out")]));
    let subscriber = Subscriber::start(&node, &["line/out"]);
    publish(&node, "line/in", "\"trouble\"");
    send_numbers(&node, "line/in", 0..20);
    let came = eventually("all others", || {
        let came: BTreeSet<String> = subscriber.payloads("line/out").into_iter().collect();
        (came.len() == 20).then_some(came)
    });
    assert!(!came.contains("\"trouble\""));
    eventually("a dead letter", || (waiting(&node, "line.s0.dead") == 1).then_some(()));
    assert_eq!(take(&node, "line.s0.dead"), ["\"trouble\""]);
}

/// Bytes of the files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    // A file may be removed while it is looked at.
    let size = |path: &Path| if path.is_dir() { bytes_below(path) } else { path.metadata().map_or(0, |it| it.len()) };
    entries.map(|entry| size(&entry.path())).sum()
}

#[test]
fn a_subscription_is_removed_with_its_flow_and_frees_its_disk() {
    let mut node = Node::start();
    node.deploy("line", &chain("line", &[&durable("line/in"), &publish_step("line/out")]));
    node.post("/flows/line/stop");
    let file = node.data_dir().with_file_name("payload");
    std::fs::write(&file, vec![b'1'; 1_000_000]).unwrap();
    let sent = publish_with(&node, &["-q", "1", "-t", "line/in", "-f", file.to_str().unwrap(), "--repeat", "80"]);
    assert!(sent.status.success());
    assert_eq!(waiting(&node, "line.s0"), 80);
    let spool = node.data_dir().join("spool");
    assert!(bytes_below(&spool) > 80_000_000);
    node.kill();
    let node = node.start_again();
    assert_eq!(waiting(&node, "line.s0"), 80);
    assert_eq!(node.api("DELETE", "/flows/line", None).status, 204);
    assert_eq!((queue(&node, "line.s0"), queue(&node, "line.s0.dead")), (None, None));
    // What is left is the segment that is written to.
    eventually("a small spool", || (bytes_below(&spool) < 34_000_000).then_some(()));
    publish(&node, "line/in", "1");
    assert_eq!(node.get("/queues")["queues"], Value::Array(Vec::new()));
}

#[test]
fn a_queue_of_a_flow_is_shown_as_such_and_nobody_else_changes_or_consumes_it() {
    let node = Node::start();
    node.deploy("line", &chain("line", &[&durable("line/in"), &publish_step("line/out")]));
    let listed = node.command_line(&["queue", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let row = listed.lines().find(|line| line.starts_with("line.s0 ")).unwrap_or_default();
    assert_eq!(row.split_whitespace().nth(1), Some("line"), "{listed}");
    for (method, path, body) in [
        ("PUT", "/queues/line.s0", Some(("application/json", "{}"))),
        ("PUT", "/queues/other.s0", Some(("application/json", "{}"))),
        ("DELETE", "/queues/line.s0", None),
        ("DELETE", "/queues/line.s0.dead", None),
        ("POST", "/queues/line.s0/consume", None),
        ("POST", "/queues/line.s0/messages", Some(("text/plain", "1"))),
    ] {
        let answer = node.api(method, path, body);
        assert_eq!(answer.status, 409, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains("belongs") || answer.body.contains("durable subscription"), "{}", answer.body);
    }
    node.post("/flows/line/stop");
    publish(&node, "line/in", "1");
    let peeked = node.get("/queues/line.s0/messages");
    assert_eq!(peeked["messages"][0]["message"]["payload"], "1", "{peeked}");
    let purged = node.api("DELETE", "/queues/line.s0/messages", None);
    assert_eq!((purged.status, waiting(&node, "line.s0")), (200, 0), "{}", purged.body);
}
