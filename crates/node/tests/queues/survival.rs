//! What a queue has after the node was killed or stopped.

use serde_json::json;

use crate::harness::{Node, NodeOptions, eventually};
use crate::{Queue, mosquitto};

#[test]
fn what_was_acknowledged_to_publishers_survives_a_kill_and_what_consumers_acknowledged_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let queue = Queue::made(&node, "orders", &json!({ "bindings": ["shop/#"], "deliveries_max": 3 }));
    for number in 0..20 {
        let payload = number.to_string();
        let sent = mosquitto(&node, "mosquitto_pub", &["-t", "shop/1", "-q", "1", "-m", &payload]);
        assert!(sent.status.success());
    }
    let taken = queue.take("?max=10");
    let done: Vec<&str> = taken.iter().skip(1).step_by(2).map(|(_, receipt)| receipt.as_str()).collect();
    assert_eq!(queue.acknowledge(&done)["settled"], 5);
    node.kill();
    let node = Node::start_in(&data, &NodeOptions::default());
    let queue = Queue::of(&node, "orders");
    assert_eq!(queue.show()["messages"], 15);
    let expect: Vec<String> = [0, 2, 4, 6, 8].into_iter().chain(10..20).map(|number| number.to_string()).collect();
    assert_eq!(queue.payloads(100), expect);
    assert_eq!(queue.put("", "after").status, 204);
    assert_eq!(queue.payloads(1), ["after"]);
}

#[test]
fn a_message_that_kills_its_consumers_does_not_get_more_deliveries_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    Queue::made(&node, "orders", &json!({ "deliveries_max": 4 }));
    assert_eq!(Queue::of(&node, "orders").put("", "poison").status, 204);
    let mut deliveries = Vec::new();
    for _ in 0..2 {
        let queue = Queue::of(&node, "orders");
        for _ in 0..2 {
            let taken = node.api("POST", &queue.path("/consume")).json();
            deliveries.push(taken["messages"][0]["delivery"].as_u64().unwrap());
            let receipt = &taken["messages"][0]["receipt"];
            queue.settle("nack", &json!({ "receipts": [receipt] }));
        }
        // The count is written behind; a stop writes all of it.
        assert!(node.stop().success());
        node = Node::start_in(&data, &NodeOptions::default());
    }
    assert_eq!(deliveries, [1, 2, 3, 4]);
    assert_eq!(Queue::of(&node, "orders").payloads(1), Vec::<String>::new());
    assert_eq!(Queue::of(&node, "orders-dead").payloads(1), ["poison"]);
}

#[test]
fn a_message_that_kills_the_node_is_a_dead_letter_after_its_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    Queue::made(&node, "orders", &json!({ "deliveries_max": 2 }));
    assert_eq!(Queue::of(&node, "orders").put("", "poison").status, 204);
    for expected in 1..=2 {
        let queue = Queue::of(&node, "orders");
        let taken = node.api("POST", &queue.path("/consume")).json();
        assert_eq!(taken["messages"][0]["delivery"], expected);
        // Nobody waits for the note of it: it is in the log before what is put after this answer.
        assert_eq!(queue.show()["in_flight"], 1);
        assert_eq!(Queue::of(&node, "orders").put("", "next").status, 204);
        node.kill();
        node = Node::start_in(&data, &NodeOptions::default());
    }
    assert_eq!(Queue::of(&node, "orders").payloads(2), ["next", "next"]);
    assert_eq!(Queue::of(&node, "orders-dead").payloads(1), ["poison"]);
}

#[test]
fn what_is_older_than_its_queue_keeps_it_is_dropped_and_counted() {
    let node = Node::start();
    let young = Queue::made(&node, "young", &json!({ "age_max_s": 1 }));
    let old = Queue::made(&node, "old", &json!({}));
    for number in 0..5 {
        assert_eq!(old.put("", &number.to_string()).status, 204);
        assert_eq!(young.put("", &number.to_string()).status, 204);
    }
    let shown = eventually(|| young.show(), |shown| shown["messages"] == 0);
    assert_eq!(shown["dropped"]["age"], 5, "{shown}");
    assert_eq!(young.payloads(10), Vec::<String>::new());
    assert_eq!(old.show()["messages"], 5, "{}", old.show());
}

#[test]
fn what_a_queue_has_in_memory_ends_with_the_node_and_the_others_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    for (name, durability) in [("fleeting", "memory"), ("lasting", "fsync")] {
        let settings = json!({ "bindings": ["shop/#"], "durability": durability });
        assert_eq!(Queue::made(&node, name, &settings).show()["settings"]["durability"], durability);
    }
    node.expect_metrics(&[r#"headwater_queue_durability_info{queue="fleeting",durability="memory"} 1"#]);
    let mut lasting = Vec::new();
    for life in ["first", "second", "third"] {
        for qos in ["1", "2"] {
            let payload = format!("{life} {qos}");
            let sent = mosquitto(&node, "mosquitto_pub", &["-t", "shop/1", "-q", qos, "-m", &payload]);
            assert!(sent.status.success());
            lasting.push(payload);
        }
        // It hands out as any queue does, and what is not settled comes back, as long as the node is there.
        let taken = Queue::of(&node, "fleeting").take("?max=1");
        assert_eq!(taken[0].0, format!("{life} 1"));
        Queue::of(&node, "fleeting").settle("nack", &json!({ "receipts": [taken[0].1] }));
        assert_eq!(Queue::of(&node, "fleeting").show()["messages"], 2);
        if life == "first" {
            node.kill();
        } else {
            assert!(node.stop().success());
        }
        node = Node::start_in(&data, &NodeOptions::default());
        assert_eq!(Queue::of(&node, "fleeting").show()["messages"], 0, "after the {life} life");
        assert_eq!(Queue::of(&node, "lasting").show()["messages"], lasting.len());
    }
    assert_eq!(Queue::of(&node, "fleeting").payloads(100), [""; 0]);
    assert_eq!(Queue::of(&node, "lasting").payloads(100), lasting);
}
