//! Streams as flows use them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Stream;
use crate::harness::client::Client;
use crate::harness::packets::connect;
use crate::harness::{Node, NodeOptions, eventually};

/// Appends what is published below `plant/` and leaves nothing out.
const RECORD: &str = r#"id = "record"

[modules.take]
type = "mqtt-sub-broker"
with = { topic = "plant/#", durable = true, format = "text" }

[modules.keep]
type = "stream-append"
with = { stream = "plant", topic = "{topic}", format = "text", user_properties = { seen = "yes" } }

[[connections]]
from = "take"
to = "keep"
"#;

#[test]
fn a_flow_appends_and_loses_nothing_when_the_node_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    Stream::made(&node, "plant", &json!({}));
    assert!(node.deploy(RECORD).status < 300);
    assert!(node.api("POST", "/flows/record/stop").status < 300);
    let mut client = Client::connect(node.mqtt, &connect("publisher"));
    for number in 0..300 {
        client.publish("plant/1", number.to_string().as_bytes());
    }
    assert!(node.api("POST", "/flows/record/start").status < 300);
    for least in [1, 50] {
        // Killed somewhere on its way, or after all is done: it must make no difference.
        let messages = |node: &Node| Stream::of(node, "plant").show()["messages"].as_u64().unwrap();
        eventually(|| messages(&node), |messages| *messages >= least);
        node.kill();
        node = Node::start_in(&data, &NodeOptions::default());
    }
    let waiting = || node.api("GET", "/queues/record.take").json()["messages"].as_u64().unwrap();
    eventually(waiting, |waiting| *waiting == 0);
    let page = Stream::of(&node, "plant").page("?max=1000");
    let messages = page["messages"].as_array().unwrap();
    let mut numbers: Vec<u64> = Vec::new();
    for message in messages {
        let message = &message["message"];
        assert_eq!((&message["topic"], &message["user_properties"]), (&json!("plant/1"), &json!([["seen", "yes"]])));
        let number = message["payload"].as_str().unwrap().parse().unwrap();
        // What was under way may come twice.
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    assert!(numbers.iter().copied().eq(0..300), "{numbers:?}");
}

#[test]
fn what_is_appended_to_a_stream_that_is_not_there_fails_its_itinerary() {
    let node = Node::start();
    let flow = RECORD.replace("durable = true, ", "qos = 1, ");
    let shown =
        "[modules.show]\ntype = \"debug\"\n\n[[connections]]\nfrom = \"keep\"\nto = \"show\"\nport = \"error\"\n";
    assert!(node.deploy(&format!("{flow}\n{shown}")).status < 300);
    let mut client = Client::connect(node.mqtt, &connect("publisher"));
    client.publish("plant/1", b"1");
    let debug = || node.api("GET", "/flows/record/debug").text();
    eventually(debug, |text| text.contains("there is no stream `plant`"));
    Stream::made(&node, "plant", &json!({}));
    client.publish("plant/1", b"2");
    eventually(|| Stream::of(&node, "plant").read(""), |read| *read == [(0, "2".to_owned())]);
}

/// Reads `plant` and puts what it reads into the queue `done`.
fn report(from: &str, consumer: &str) -> String {
    format!(
        "id = \"report\"\n\
         modules.read = {{ type = \"stream-read\", with = {{ stream = \"plant\", from = \"{from}\"{consumer}, in_flight_max = 20 }} }}\n\
         modules.put = {{ type = \"queue-publish\", with = {{ queue = \"done\", source = \"message\" }} }}\n\
         connections = [{{ from = \"read\", to = \"put\" }}]\n"
    )
}

const NAMED: &str = ", consumer = \"report\"";

/// Takes messages out of the queue `done` for good: what the flow made of each.
fn take_done(node: &Node) -> Vec<Value> {
    let taken = node.api("POST", "/queues/done/consume?max=1000").json();
    let messages = taken["messages"].as_array().unwrap();
    let receipts: Vec<&Value> = messages.iter().map(|message| &message["receipt"]).collect();
    let settled = node.api_json("POST", "/queues/done/ack", &json!({ "receipts": receipts })).json();
    assert_eq!(settled["settled"], messages.len());
    let made = |message: &Value| serde_json::from_str(message["message"]["payload"].as_str().unwrap()).unwrap();
    messages.iter().map(made).collect()
}

fn offsets(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["offset"].as_u64().unwrap()).collect()
}

#[test]
fn a_named_reader_goes_on_where_it_was_after_a_kill_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    assert!(node.deploy(&report("earliest", NAMED)).text().contains("no stream `plant`"));
    let plant = Stream::made(&node, "plant", &json!({}));
    for number in 0..300 {
        assert_eq!(plant.post("?topic=plant/1", &number.to_string()).status, 200);
    }
    // There is room for a part of them: the others are under way when the node is killed.
    assert_eq!(node.api_json("PUT", "/queues/done", &json!({ "messages_max": 100 })).status, 201);
    let retry = "source = \"message\" }, retry = { max = 1000, delay_ms = 50, delay_max_ms = 50 ";
    assert!(node.deploy(&report("earliest", NAMED).replacen("source = \"message\" ", retry, 1)).status < 300);
    let mut read = Vec::new();
    for _ in 0..2 {
        let waiting = || node.api("GET", "/queues/done").json()["messages"].as_u64().unwrap();
        eventually(waiting, |waiting| *waiting == 100);
        node.kill();
        node = Node::start_in(&data, &NodeOptions::default());
        read.extend(take_done(&node));
    }
    while offsets(&read).into_iter().collect::<BTreeSet<_>>().len() < 300 {
        read.extend(eventually(|| take_done(&node), |taken| !taken.is_empty()));
    }
    let first = &read[0];
    assert_eq!((&first["data"], &first["topic"], &first["properties"]), (&json!(0), &json!("plant/1"), &json!({})));
    assert!(first["time"].as_str().unwrap().ends_with('Z') && first.get("missing").is_none(), "{first}");
    let shown = || node.api("GET", "/streams/plant").text();
    eventually(shown, |text| text.contains("\"name\":\"report\"") && text.contains("\"offset\":300"));
}

#[test]
fn a_named_reader_reads_each_message_once_and_in_order_while_it_is_redeployed() {
    let node = Node::start();
    let plant = Stream::made(&node, "plant", &json!({}));
    assert_eq!(node.api_json("PUT", "/queues/done", &json!({})).status, 201);
    for round in 0..5 {
        for number in 0..40 {
            plant.append(&number.to_string());
        }
        assert!(node.deploy(&format!("{}name = \"{round}\"\n", report("earliest", NAMED))).status < 300);
    }
    let mut read = Vec::new();
    while read.len() < 200 {
        read.extend(eventually(|| take_done(&node), |taken| !taken.is_empty()));
    }
    assert!(offsets(&read).into_iter().eq(0..200), "{:?}", offsets(&read));
}

#[test]
fn a_reader_without_a_name_begins_where_it_is_told() {
    let node = Node::start();
    let plant = Stream::made(&node, "plant", &json!({}));
    assert_eq!(node.api_json("PUT", "/queues/done", &json!({})).status, 201);
    for number in 0..10 {
        plant.append(&number.to_string());
    }
    for (from, expected) in
        [("7", vec![7, 8, 9, 10]), ("latest", vec![11]), ("time:2020-01-31T12:00:00Z", (0..13).collect())]
    {
        assert!(node.deploy(&report(from, "")).status < 300);
        plant.append("\"new\"");
        let mut read = Vec::new();
        while read.len() < expected.len() {
            read.extend(eventually(|| take_done(&node), |taken| !taken.is_empty()));
        }
        assert_eq!(offsets(&read), expected, "{from}");
    }
    let session = node.deploy(&report("latest", ", consumer = \"session-1\""));
    assert!(session.text().contains("choose another name"), "{}", session.text());
}

#[test]
fn a_reader_goes_on_with_a_stream_that_is_made_again() {
    let node = Node::start();
    Stream::made(&node, "plant", &json!({}));
    assert_eq!(node.api_json("PUT", "/queues/done", &json!({})).status, 201);
    for consumer in [NAMED, ""] {
        assert!(node.deploy(&report("latest", consumer)).status < 300);
        for _ in 0..2 {
            assert_eq!(node.api("DELETE", "/streams/plant").status, 204);
            let plant = Stream::made(&node, "plant", &json!({}));
            plant.append("1");
            plant.append("2");
            let mut read = Vec::new();
            while read.len() < 2 {
                read.extend(eventually(|| take_done(&node), |taken| !taken.is_empty()));
            }
            assert_eq!(offsets(&read), [0, 1], "{consumer}");
        }
    }
    assert_eq!(node.api("DELETE", "/streams/plant").status, 204);
    eventually(|| node.log(), |log| log.contains("a flow has nothing to read, and waits: there is no stream `plant`"));
    assert_eq!(node.api("POST", "/flows/report/stop").status / 100, 2);
}
