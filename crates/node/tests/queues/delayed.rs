//! Messages that their publishers delayed.

use serde_json::json;

use crate::harness::client::Client;
use crate::harness::packets::{connect, packet, text};
use crate::harness::{Node, NodeOptions, eventually};
use crate::{Queue, mosquitto};

const DELAYED: u64 = 100_500;

/// A message that is delayed by an hour, without a packet id or with this one.
fn publish_delayed(packet_id: Option<u16>) -> Vec<u8> {
    let properties = [vec![0x26], text("delay"), text("1h")].concat();
    let id = packet_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
    let first = if packet_id.is_some() { 0x32 } else { 0x30 };
    let length = vec![u8::try_from(properties.len()).unwrap()];
    packet(first, &[text("$queue/orders"), id, length, properties, b"later".to_vec()].concat())
}

#[test]
fn any_number_of_delayed_messages_keeps_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let queue = Queue::made(&node, "orders", &json!({}));
    let mut publisher = Client::connect(node.mqtt, &connect("publisher"));
    publisher.send(&publish_delayed(None).repeat(usize::try_from(DELAYED).unwrap() - 1));
    // They are there in the order in which they were sent.
    assert_eq!(publisher.ask(&publish_delayed(Some(1))).0, 0x40);
    assert_eq!(queue.put("", "now").status, 204);
    let taken = queue.take("?max=5");
    assert_eq!(taken.len(), 1, "{taken:?}");
    let (payload, receipt) = &taken[0];
    assert_eq!(payload, "now");
    assert_eq!(queue.acknowledge(&[receipt])["settled"], 1);
    let shown = queue.show();
    assert_eq!((&shown["messages"], &shown["delayed"]), (&json!(DELAYED), &json!(DELAYED)));
    node.expect_metrics(&[&format!("headwater_queue_delayed_messages{{queue=\"orders\"}} {DELAYED}")]);

    node.kill();
    let node = Node::start_in(&data, &NodeOptions::default());
    let queue = Queue::of(&node, "orders");
    assert_eq!(queue.put("?delay=1s", "soon").status, 204);
    let taken = mosquitto(&node, "mosquitto_sub", &["-t", "$queue/orders", "-q", "1", "-C", "1", "-F", "%p"]);
    assert_eq!(String::from_utf8_lossy(&taken.stdout), "soon\n");
    eventually(|| queue.show(), |shown| shown["messages"] == DELAYED);
    assert_eq!(node.api("DELETE", &queue.path("/messages")).json(), json!({ "purged": DELAYED }));
    let shown = queue.show();
    assert_eq!((&shown["messages"], &shown["delayed"]), (&json!(0), &json!(0)));
}
