//! Queues that are removed while they are consumed, and made again.

use serde_json::json;

use crate::Queue;
use crate::harness::{Node, eventually};
use crate::mqtt::Client;

fn remove(node: &Node) {
    assert_eq!(node.api("DELETE", "/queues/orders").status, 204);
}

#[test]
fn a_client_consumes_a_queue_that_is_made_again() {
    let node = Node::start();
    Queue::made(&node, "orders", &json!({}));
    let mut clients = [("one", 1), ("two", 2)].map(|(id, qos)| {
        // With a session that ends with its connection.
        let mut client = Client::connected_as(&node, id, true, &[]);
        assert_eq!(client.subscribe("$queue/orders", qos), qos);
        client
    });
    for round in 0..2 {
        remove(&node);
        let queue = Queue::made(&node, "orders", &json!({}));
        assert_eq!(queue.put("", &round.to_string()).status, 204);
        eventually(|| queue.show(), |shown| shown["consumers"] == 2 && shown["in_flight"] == 1);
    }
    assert!(node.log().contains("a queue was removed that is consumed"), "{}", node.log());
    // It is left alone when nobody subscribes to it any more.
    remove(&node);
    clients.iter_mut().for_each(|client| assert_eq!(client.unsubscribe("$queue/orders"), 0));
    let queue = Queue::made(&node, "orders", &json!({}));
    let mut other = Client::connected_as(&node, "other", true, &[]);
    assert_eq!(other.subscribe("$queue/orders", 1), 1);
    assert_eq!(queue.put("", "other").status, 204);
    assert_eq!(other.payload_acknowledged(0), "other");
    assert_eq!(queue.show()["consumers"], 1);
}

#[test]
fn a_session_that_comes_back_while_its_queue_is_not_there_waits_for_it() {
    let node = Node::start();
    Queue::made(&node, "orders", &json!({}));
    let mut client = Client::connected(&node, "worker", true, 10);
    assert_eq!(client.subscribe("$queue/orders", 1), 1);
    drop(client);
    remove(&node);
    let mut client = Client::connected(&node, "worker", false, 10);
    eventually(
        || node.log(),
        |log| log.contains("a client has nothing to consume, and waits: there is no queue `orders`"),
    );
    // A new subscription to what is not there is refused; the one that stands goes on.
    assert_eq!(client.subscribe("$queue/orders", 1), 0x8F);
    let queue = Queue::made(&node, "orders", &json!({}));
    assert_eq!(queue.put("", "new").status, 204);
    assert_eq!(client.payload_acknowledged(0), "new");
    eventually(|| queue.show(), |shown| shown["messages"] == 0);
    assert!(node.log().contains("a client consumes what it has waited for"), "{}", node.log());
}
