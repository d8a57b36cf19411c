//! What survives the end of a node: deployed flows, what a person has stopped, drafts, versions, persistent stores. What
//! is in memory does not.

use crate::flow_text::{publish as publish_step, script_flow, subscribe};
use crate::mosquitto::{Subscriber, publish};
use crate::node::Node;

/// Ends a node.
type End = fn(&mut Node);

/// In order, and as a power cut does it.
const ENDS: [(&str, End); 2] = [("SIGTERM", end_in_order), ("kill -9", Node::kill)];

fn end_in_order(node: &mut Node) {
    node.terminate();
    assert!(node.await_end().success());
}

/// Writes what comes on `{id}/set` into a store, and publishes what is in it for anything on `{id}/get`.
fn store_flow(id: &str, persistent: bool) -> String {
    let store = format!("store = 'store-of-{id}', persistent = {persistent}, key = 'last'");
    format!(
        "id = '{id}'\n[modules]\nset = {}\nwrite = {{ type = 'kv-set', with = {{ {store} }} }}\nwritten = {}\n\
         get = {}\nread = {{ type = 'kv-get', with = {{ {store}, target = 'data' }} }}\nshow = {}\n\
         [[connections]]\nfrom = 'set'\nto = 'write'\n[[connections]]\nfrom = 'write'\nto = 'written'\n\
         [[connections]]\nfrom = 'get'\nto = 'read'\n[[connections]]\nfrom = 'read'\nto = 'show'\n",
        subscribe(&format!("{id}/set")),
        publish_step(&format!("{id}/written")),
        subscribe(&format!("{id}/get")),
        publish_step(&format!("{id}/shown")),
    )
}

#[test]
fn flows_marks_drafts_and_versions_survive_any_end() {
    for (name, end) in ENDS {
        let mut node = Node::start();
        for edition in 1..=3 {
            node.deploy("works", &script_flow("works", "works/in", &format!("message.data = {edition};"), "works/out"));
        }
        node.deploy("rests", &script_flow("rests", "rests/in", "", "rests/out"));
        node.post("/flows/rests/stop");
        assert_eq!(node.save("sketch", "id = \"sketch\" # an idea\n").status, 201);
        let written_down = |node: &Node| {
            let draft = |id: &str| node.get(&format!("/flows/{id}"))["draft"].take();
            let versions = ["works", "rests"].map(|id| node.get(&format!("/flows/{id}/versions")));
            (["works", "rests", "sketch"].map(draft), versions)
        };
        let before = written_down(&node);
        end(&mut node);
        let node = node.start_again();
        assert_eq!(written_down(&node), before, "after {name}");
        let status = |id: &str| (node.flow(id)["status"].clone(), node.flow(id)["version"].clone());
        assert_eq!(status("works"), ("running".into(), 3.into()), "after {name}");
        assert_eq!(status("rests"), ("stopped".into(), 1.into()), "after {name}");
        assert_eq!(status("sketch").0, "draft", "after {name}");
        let subscriber = Subscriber::start(&node, &["+/out"]);
        publish(&node, "rests/in", "0");
        publish(&node, "works/in", "0");
        assert_eq!(subscriber.await_payloads("works/out", 1), ["3"], "after {name}");
        assert_eq!(subscriber.payloads("rests/out"), [""; 0], "after {name}");
    }
}

#[test]
fn persistent_stores_survive_any_end_and_stores_in_memory_none() {
    for (name, end) in ENDS {
        let mut node = Node::start();
        for (id, persistent) in [("memory", false), ("disk", true)] {
            node.deploy(id, &store_flow(id, persistent));
            let subscriber = Subscriber::start(&node, &[&format!("{id}/+")]);
            publish(&node, &format!("{id}/set"), "{\"line\":7}");
            // What the flow says after its write is true from then on.
            subscriber.await_payloads(&format!("{id}/written"), 1);
            publish(&node, &format!("{id}/get"), "0");
            assert_eq!(subscriber.await_payloads(&format!("{id}/shown"), 1), ["{\"line\":7}"], "before {name}");
        }
        let put = node.api("PUT", "/kv/orders/next", Some(("application/json", "[1,2.5,\"x\"]")));
        assert_eq!(put.status, 201);
        end(&mut node);
        let node = node.start_again();
        assert_eq!(node.get("/kv/orders/next").to_string(), "[1,2.5,\"x\"]", "after {name}");
        for (id, kept) in [("memory", "null"), ("disk", "{\"line\":7}")] {
            let subscriber = Subscriber::start(&node, &[&format!("{id}/shown")]);
            publish(&node, &format!("{id}/get"), "0");
            assert_eq!(subscriber.await_payloads(&format!("{id}/shown"), 1), [kept], "after {name}");
        }
    }
}

#[test]
fn what_the_api_has_acknowledged_is_there_after_every_one_of_many_kills() {
    let mut node = Node::start();
    for round in 0..5 {
        for key in 0..=round {
            let path = format!("/kv/orders/{round}-{key}");
            assert_eq!(node.api("PUT", &path, Some(("application/json", &key.to_string()))).status, 201);
        }
        node.kill();
        node = node.start_again();
    }
    for round in 0..5 {
        for key in 0..=round {
            assert_eq!(node.get(&format!("/kv/orders/{round}-{key}")), key);
        }
    }
}

#[test]
fn a_store_in_memory_outlives_the_versions_of_its_flow() {
    let node = Node::start();
    node.deploy("memory", &store_flow("memory", false));
    let subscriber = Subscriber::start(&node, &["memory/+"]);
    publish(&node, "memory/set", "1");
    subscriber.await_payloads("memory/written", 1);
    node.deploy("memory", &format!("description = 'another'\n{}", store_flow("memory", false)));
    publish(&node, "memory/get", "0");
    assert_eq!(subscriber.await_payloads("memory/shown", 1), ["1"]);
    // A flow of another name has a store of its own, though the store's name is the same.
    let other = store_flow("memory", false).replace("id = 'memory'", "id = 'other'").replace("\"memory/", "\"other/");
    node.deploy("other", &other);
    let subscriber = Subscriber::start(&node, &["other/shown"]);
    publish(&node, "other/get", "0");
    assert_eq!(subscriber.await_payloads("other/shown", 1), ["null"]);
}

#[test]
fn a_version_of_the_past_can_be_deployed_again() {
    let node = Node::start();
    for edition in 1..=2 {
        node.deploy("f", &script_flow("f", "in", &format!("message.data = {edition};"), "out"));
    }
    let answer = node.api("POST", "/flows/f/deploy", Some(("application/json", r#"{"version":1,"note":"back"}"#)));
    assert_eq!(answer.json()["version"], 3);
    let subscriber = Subscriber::start(&node, &["out"]);
    publish(&node, "in", "0");
    assert_eq!(subscriber.await_payloads("out", 1), ["1"]);
}
