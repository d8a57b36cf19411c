//! Streams as flows use them.

use serde_json::json;

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
