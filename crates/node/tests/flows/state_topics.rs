//! What the node says of its flows under `$SYS`, where nobody else may speak.

use serde_json::Value;

use crate::flow_text::script_flow;
use crate::mosquitto::{Subscriber, publish, publish_with};
use crate::node::Node;

const STATE: &str = "$SYS/headwater/flows/press/state";

#[test]
fn the_state_of_a_flow_is_retained_and_told_at_every_change() {
    let node = Node::start();
    node.deploy("press", &script_flow("press", "in", "", "out"));
    let subscriber = Subscriber::start(&node, &["$SYS/headwater/flows/+/state"]);
    subscriber.await_payloads(STATE, 1);
    assert!(subscriber.messages()[0].retained);
    node.post("/flows/press/stop");
    subscriber.await_payloads(STATE, 2);
    node.post("/flows/press/start");
    subscriber.await_payloads(STATE, 3);
    node.deploy("press", &script_flow("press", "in", "message.data = 2;", "out"));
    let told = subscriber.await_payloads(STATE, 4);
    let told: Vec<Value> = told.iter().map(|state| serde_json::from_str(state).unwrap()).collect();
    let seen: Vec<_> =
        told.iter().map(|state| (state["status"].as_str().unwrap(), state["version"].as_u64().unwrap())).collect();
    assert_eq!(seen, [("running", 1), ("stopped", 1), ("running", 1), ("running", 2)]);
}

#[test]
fn a_removed_flow_leaves_no_state_behind() {
    let node = Node::start();
    node.deploy("press", &script_flow("press", "in", "", "out"));
    node.deploy("drill", &script_flow("drill", "in", "", "out"));
    assert_eq!(node.api("DELETE", "/flows/press", None).status, 204);
    let subscriber = Subscriber::start(&node, &["$SYS/headwater/flows/#"]);
    subscriber.await_payloads("$SYS/headwater/flows/drill/state", 1);
    assert_eq!(subscriber.payloads(STATE), [""; 0]);
}

#[test]
fn who_subscribes_to_everything_hears_nothing_of_the_system() {
    let node = Node::start();
    node.deploy("press", &script_flow("press", "in", "", "out"));
    let subscriber = Subscriber::start(&node, &["#"]);
    publish(&node, "in", "1");
    subscriber.await_payloads("out", 1);
    let messages = subscriber.messages().clone();
    assert!(messages.iter().all(|message| !message.topic.starts_with('$')), "{messages:?}");
}

#[test]
fn a_client_that_publishes_under_sys_is_refused() {
    let node = Node::start();
    node.deploy("press", &script_flow("press", "in", "", "out"));
    let subscriber = Subscriber::start(&node, &["$SYS/#", "beside"]);
    let forged = ["-t", STATE, "-m", "forged", "-q", "1", "-r"];
    let told = publish_with(&node, &[&["-V", "mqttv5"], &forged[..]].concat());
    assert!(String::from_utf8_lossy(&told.stderr).contains("Not authorized"), "{told:?}");
    let cut = publish_with(&node, &[&["-V", "mqttv311"], &forged[..]].concat());
    assert!(!cut.status.success(), "{cut:?}");
    publish(&node, "beside", "1");
    subscriber.await_payloads("beside", 1);
    assert!(subscriber.messages().iter().all(|message| message.payload != "forged"));
}
