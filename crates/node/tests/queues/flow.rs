//! Queues as flows use them.

use serde_json::json;

use crate::Queue;
use crate::harness::{Node, eventually};

const FORWARD: &str = r#"id = "forward"
name = "Forward"

[modules.take]
type = "queue-consume"
with = { queue = "orders" }

[modules.work]
type = "script"
with = { code = "if (message.data === 'bad') throw new Error('no');" }

[modules.put]
type = "queue-publish"
with = { queue = "done" }

[[connections]]
from = "take"
to = "work"

[[connections]]
from = "work"
to = "put"
route = "message.headwater === undefined || message.headwater.success"
"#;

#[test]
fn a_flow_takes_from_one_queue_and_puts_into_another() {
    let node = Node::start();
    assert!(node.deploy(FORWARD).text().contains("no queue `orders`"));
    let orders = Queue::made(&node, "orders", &json!({}));
    let done = Queue::made(&node, "done", &json!({}));
    assert!(node.deploy(FORWARD).status < 300);
    for payload in ["\"a\"", "\"b\""] {
        assert_eq!(orders.put("", payload).status, 204);
    }
    eventually(|| orders.show(), |shown| shown["messages"] == 0);
    assert_eq!(done.payloads(5), ["\"a\"", "\"b\""]);
    assert_eq!(node.api("POST", "/flows/forward/stop").status / 100, 2);
    eventually(|| orders.show(), |shown| shown["consumers"] == 0);
    assert_eq!(orders.put("", "\"c\"").status, 204);
    assert_eq!(orders.payloads(1), ["\"c\""]);
}

#[test]
fn a_flow_consumes_a_queue_that_is_made_again_until_it_is_stopped() {
    let node = Node::start();
    Queue::made(&node, "orders", &json!({}));
    let done = Queue::made(&node, "done", &json!({}));
    assert!(node.deploy(FORWARD).status < 300);
    for round in ["\"0\"", "\"1\""] {
        assert_eq!(node.api("DELETE", "/queues/orders").status, 204);
        let orders = Queue::made(&node, "orders", &json!({}));
        assert_eq!(orders.put("", round).status, 204);
        eventually(|| orders.show(), |shown| shown["messages"] == 0);
        assert_eq!(done.payloads(5), [round]);
    }
    assert_eq!(node.api("DELETE", "/queues/orders").status, 204);
    eventually(
        || node.log(),
        |log| log.contains("a flow has nothing to consume, and waits: there is no queue `orders`"),
    );
    assert_eq!(node.api("POST", "/flows/forward/stop").status / 100, 2);
}
