//! The HTTP API of queues.

use serde_json::json;

use crate::harness::{Node, NodeOptions};
use crate::{Queue, mosquitto};

#[test]
fn what_is_bound_or_named_goes_into_the_queue_and_is_gone_when_acknowledged() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({ "bindings": ["shop/+/orders", "shop/#"] }));
    for (topic, qos, payload) in
        [("shop/1/orders", "1", "a"), ("shop/2", "0", "b"), ("other", "1", "x"), ("$queue/orders", "2", "c")]
    {
        assert!(mosquitto(&node, "mosquitto_pub", &["-t", topic, "-q", qos, "-m", payload]).status.success());
    }
    assert_eq!(queue.put("?topic=by/hand", "d").status, 204);
    let taken = queue.take("?max=10&wait_s=20");
    let payloads: Vec<&str> = taken.iter().map(|(payload, _)| payload.as_str()).collect();
    assert_eq!(payloads, ["a", "b", "c", "d"]);
    let shown = queue.show();
    assert_eq!((&shown["messages"], &shown["in_flight"]), (&json!(4), &json!(4)));
    let receipts: Vec<&str> = taken.iter().map(|(_, receipt)| receipt.as_str()).collect();
    assert_eq!(queue.acknowledge(&receipts), json!({ "settled": 4 }));
    let again = queue.acknowledge(&receipts[..1]);
    assert_eq!((&again["settled"], &again["late"][0]["receipt"]), (&json!(0), &json!(receipts[0])));
    let shown = queue.show();
    assert_eq!((&shown["messages"], &shown["bytes"], &shown["acknowledged"]), (&json!(0), &json!(0), &json!(4)));
    assert_eq!(queue.payloads(1), Vec::<String>::new());
}

#[test]
fn a_request_may_wait_for_a_message() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({}));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.take("?wait_s=25"));
        crate::harness::eventually(|| queue.show(), |shown| shown["consumers"] == 1);
        assert_eq!(queue.put("", "late").status, 204);
        assert_eq!(waiting.join().unwrap()[0].0, "late");
    });
}

#[test]
fn what_is_given_back_comes_again_and_what_is_rejected_is_dead() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({ "deliveries_max": 2 }));
    let dead = Queue::of(&node, "orders-dead");
    for payload in ["a", "b", "c"] {
        assert_eq!(queue.put("?topic=t", payload).status, 204);
    }
    for round in 0..2 {
        let taken = queue.take("");
        assert_eq!(taken[0].0, "a", "{round}");
        queue.settle("nack", &json!({ "receipts": [taken[0].1] }));
    }
    let taken = queue.take("");
    assert_eq!(taken[0].0, "b");
    queue.settle("nack", &json!({ "receipts": [taken[0].1], "reject": true }));
    assert_eq!(queue.payloads(5), ["c"]);
    let letters = node.api("GET", &dead.path("/messages")).json();
    let of = |index: usize| &letters["messages"][index]["message"];
    let properties = |reason: &str, deliveries: &str| {
        json!([["dead-letter-queue", "orders"], ["dead-letter-reason", reason], ["dead-letter-deliveries", deliveries]])
    };
    assert_eq!((&of(0)["payload"], &of(0)["topic"]), (&json!("a"), &json!("t")));
    assert_eq!(of(0)["user_properties"], properties("deliveries", "2"));
    assert_eq!(of(1)["user_properties"], properties("rejected", "1"));
    assert_eq!(queue.show()["dead_lettered"], 2);
    assert_eq!(node.api("POST", &dead.path("/requeue")).json(), json!({ "requeued": 2, "left": 0 }));
    assert_eq!((&dead.show()["messages"], &queue.show()["messages"]), (&json!(0), &json!(3)));
    let taken = node.api("POST", &queue.path("/consume?max=2")).json();
    assert_eq!(
        (&taken["messages"][0]["message"]["payload"], &taken["messages"][0]["delivery"]),
        (&json!("a"), &json!(1))
    );
    assert_eq!(taken["messages"][0]["message"].get("user_properties"), None);
}

#[test]
fn urgent_messages_go_first_and_delayed_ones_wait() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({ "priority": true }));
    for (query, payload) in [("", "plain"), ("?priority=9", "urgent"), ("?delay=1h", "later"), ("?priority=5", "soon")]
    {
        assert_eq!(queue.put(query, payload).status, 204);
    }
    assert_eq!(queue.payloads(10), ["urgent", "soon", "plain"]);
    let peeked = node.api("GET", &queue.path("/messages")).json();
    let states: Vec<_> =
        peeked["messages"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["in-flight", "in-flight", "delayed", "in-flight"]);
    assert!(queue.put("?priority=10", "x").problem(400).contains("0 to 9"));
    assert!(queue.put("?delay=soon", "x").problem(400).contains("span"));
}

#[test]
fn a_full_queue_does_what_it_was_told() {
    let node = Node::start();
    let refuses = Queue::made(&node, "refuses", &json!({ "messages_max": 2, "bindings": ["r"] }));
    let drops = Queue::made(&node, "drops", &json!({ "messages_max": 2, "policy": "drop-oldest" }));
    for payload in ["a", "b", "c"] {
        assert_eq!(drops.put("", payload).status, 204);
    }
    assert_eq!(drops.payloads(5), ["b", "c"]);
    assert_eq!(drops.show()["dropped"]["oldest"], 1);
    for expect in [204, 204, 507] {
        assert_eq!(refuses.put("", "x").status, expect);
    }
    let told = mosquitto(&node, "mosquitto_pub", &["-t", "r", "-q", "1", "-m", "x", "-d"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("RC:151"), "{told:?}");
    assert_eq!(refuses.show()["refused"], 2);
    assert_eq!(node.api("DELETE", &refuses.path("/messages")).json(), json!({ "purged": 2 }));
    assert_eq!(refuses.put("", "x").status, 204);
}

#[test]
fn one_message_can_be_looked_at_and_thrown_away() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({}));
    for payload in ["a", "b", "c"] {
        assert_eq!(queue.put("", payload).status, 204);
    }
    let page = node.api("GET", &queue.path("/messages?max=2")).json();
    assert_eq!((&page["messages"][1]["message"]["payload"], &page["next"]), (&json!("b"), &json!(2)));
    assert_eq!(node.api("DELETE", &queue.path("/messages/1")).status, 204);
    node.api("DELETE", &queue.path("/messages/1")).problem(404);
    assert_eq!(queue.payloads(5), ["a", "c"]);
    node.api("DELETE", &queue.path("/messages/0")).problem(404);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let node = Node::start();
    let put = |name: &str, settings| node.api_json("PUT", &format!("/queues/{name}"), &settings).problem(400);
    assert!(put("a%20b", json!({})).contains("queue name"));
    assert!(put("orders", json!({ "bindings": ["$queue/other"] })).contains("plain topics"));
    assert!(put("orders", json!({ "dead_letter": "orders" })).contains("its own"));
    assert!(put("orders", json!({ "size": 1 })).contains("size"));
    assert_eq!(node.api_json("PUT", "/queues/a", &json!({ "dead_letter": "b" })).status, 201);
    assert!(put("b", json!({ "dead_letter": "a" })).contains("come back"));
    assert!(node.api("DELETE", "/queues/b").problem(409).contains("`a`"));
    assert_eq!(node.api("DELETE", "/queues/a").status, 204);
    assert_eq!(node.api("DELETE", "/queues/b").status, 204);
    for (method, path) in [
        ("GET", "/queues/a"),
        ("DELETE", "/queues/a"),
        ("POST", "/queues/a/consume"),
        ("POST", "/queues/a/messages"),
        ("GET", "/queues/a/messages"),
        ("POST", "/queues/a/requeue"),
    ] {
        assert!(node.api(method, path).problem(404).contains("no queue `a`"), "{method} {path}");
    }
    let queue = Queue::made(&node, "orders", &json!({}));
    node.api_json("POST", &queue.path("/ack"), &json!({ "receipts": ["x"] })).problem(400);
}

#[test]
fn the_command_line_does_it_too() {
    let node = Node::start();
    node.run(&["queue", "create", "orders", "--bind", "shop/#", "--deliveries-max", "1", "--policy", "drop-newest"]);
    let queue = Queue::of(&node, "orders");
    assert_eq!(queue.show()["settings"]["policy"], "drop-newest");
    assert!(mosquitto(&node, "mosquitto_pub", &["-t", "shop/1", "-q", "1", "-m", "a"]).status.success());
    assert!(node.run(&["queue", "peek", "orders"]).contains("\"payload\":\"a\""));
    let taken = queue.take("");
    queue.settle("nack", &json!({ "receipts": [taken[0].1] }));
    crate::harness::eventually(|| node.run(&["queue", "list"]), |list| list.contains("orders-dead  -     1 "));
    assert_eq!(node.run(&["queue", "requeue", "orders-dead"]), "requeued 1, left 0\n");
    assert_eq!(node.run(&["queue", "purge", "orders"]), "purged 1\n");
    assert!(node.run(&["queue", "show", "orders"]).contains("\"purged\": 1"));
    node.run(&["queue", "delete", "orders"]);
    let (code, _, error) = node.command(&["queue", "show", "orders"]);
    assert_eq!(code, 1);
    assert!(error.contains("no queue `orders`"), "{error}");
}

#[test]
fn the_figures_are_in_the_metrics() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({}));
    for payload in ["a", "b"] {
        assert_eq!(queue.put("", payload).status, 204);
    }
    queue.take("");
    node.expect_metrics(&[
        "headwater_queue_messages{queue=\"orders\"} 2",
        "headwater_queue_in_flight_messages{queue=\"orders\"} 1",
        "headwater_queue_delivered_messages_total{queue=\"orders\"} 1",
        "headwater_queue_dropped_messages_total{queue=\"orders\",reason=\"oldest\"} 0",
    ]);
}

#[test]
fn the_configuration_makes_queues() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("headwater.toml");
    std::fs::write(&config, "[queues.orders]\nbindings = [\"shop/#\"]\nack_timeout_s = 5\n").unwrap();
    let node = Node::start_with(&NodeOptions { config: Some(config.clone()), ..NodeOptions::default() });
    let shown = Queue::of(&node, "orders").show();
    assert_eq!((&shown["settings"]["bindings"], &shown["settings"]["ack_timeout_s"]), (&json!(["shop/#"]), &json!(5)));
    assert_eq!(shown["settings"]["dead_letter"], "orders-dead");
    std::fs::write(&config, "[queues.orders]\ndead_letter = \"orders\"\n").unwrap();
    let options = NodeOptions { config: Some(config), ..NodeOptions::default() };
    let (code, error) = options.refusal(&folder.path().join("data"));
    assert_eq!(code, Some(3));
    assert!(error.contains("its own dead letter queue"), "{error}");
}

#[test]
fn what_the_configuration_names_is_changed_there_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("headwater.toml");
    std::fs::write(&config, "[queues.orders]\n[streams.telemetry]\n").unwrap();
    let node = Node::start_with(&NodeOptions { config: Some(config), ..NodeOptions::default() });
    for path in ["/queues/orders", "/streams/telemetry"] {
        assert_eq!(node.api("GET", path).json()["configured"], true);
        let key = path[1..].replace('/', ".");
        for told in [node.api_json("PUT", path, &json!({})).problem(409), node.api("DELETE", path).problem(409)] {
            assert!(told.contains(&format!("the configuration of the node sets `{key}`")), "{told}");
        }
    }
    assert_eq!(Queue::of(&node, "orders").put("", "1").status, 204);
    assert_eq!(node.api("DELETE", "/queues/orders/messages").json()["purged"], 1);
    assert_eq!(Queue::made(&node, "free", &json!({})).show()["configured"], false);
    let told = node.api_json("PUT", "/queues/free", &json!({ "messages_max": 0 })).problem(400);
    assert!(told.contains("messages_max: takes a whole number from 1"), "{told}");
}

#[test]
fn a_node_starts_though_a_queue_cannot_be_as_the_configuration_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("headwater.toml"));
    let node = Node::start_in(&data, &NodeOptions::default());
    Queue::made(&node, "orders", &json!({ "dead_letter": "letters" })).put("", "1");
    node.stop();
    std::fs::write(&config, "[queues.letters]\ndead_letter = \"orders\"\n[queues.other]\n").unwrap();
    let node = Node::start_in(&data, &NodeOptions { config: Some(config), ..NodeOptions::default() });
    assert!(
        node.log().contains("a queue is not as the configuration wants it: dead letters of `letters` would come back")
    );
    assert_eq!(Queue::of(&node, "letters").show()["settings"]["dead_letter"], "");
    assert_eq!(Queue::of(&node, "other").show()["configured"], true);
    assert_eq!(Queue::of(&node, "orders").payloads(2), ["1"]);
}

#[test]
fn a_receipt_of_another_life_of_the_queue_settles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let take = |node: &Node| {
        let taken = node.api("POST", "/queues/orders/consume?max=1&wait_s=20").json();
        taken["messages"][0]["receipt"].as_str().unwrap().to_owned()
    };
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(Queue::made(&node, "orders", &json!({})).put("", "old").status, 204);
    let old = take(&node);
    assert_eq!(node.api("DELETE", "/queues/orders").status, 204);
    assert_eq!(Queue::made(&node, "orders", &json!({})).put("", "new").status, 204);
    let removed = take(&node);
    assert_ne!(old, removed);
    let refused = |node: &Node, verb: &str, receipt: &str| {
        let answer = node.api_json("POST", &format!("/queues/orders/{verb}"), &json!({ "receipts": [receipt] })).json();
        assert_eq!((&answer["settled"], &answer["late"][0]["receipt"]), (&json!(0), &json!(receipt)), "{answer}");
    };
    refused(&node, "ack", &old);
    node.kill();
    let node = Node::start_in(&data, &NodeOptions::default());
    let current = take(&node);
    for stale in [&old, &removed] {
        refused(&node, "ack", stale);
        refused(&node, "nack", stale);
    }
    let answer = node.api_json("POST", "/queues/orders/ack", &json!({ "receipts": [current] })).json();
    assert_eq!(answer["settled"], 1, "{answer}");
    assert_eq!(node.api("GET", "/queues/orders").json()["messages"], 0);
}
