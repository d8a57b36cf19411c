//! Large messages, whose consumers have few of them at a time: what they weigh is bounded, not only how many they are.

use serde_json::json;

use crate::Queue;
use crate::harness::{Node, eventually};
use crate::mqtt::Client;

/// Of these five are more than four megabytes.
fn payload(number: usize) -> String {
    format!("{number:010}").repeat(100_000)
}

fn filled(node: &Node, messages: usize) -> Queue<'_> {
    let queue = Queue::made(node, "images", &json!({ "ack_timeout_s": 3_600 }));
    (0..messages).for_each(|number| assert_eq!(queue.put("", &payload(number)).status, 204));
    queue
}

#[test]
fn one_answer_holds_few_large_messages() {
    let node = Node::start();
    let queue = filled(&node, 7);
    let answers = [(); 3].map(|()| queue.payloads(1_000));
    assert_eq!(answers.each_ref().map(Vec::len), [5, 2, 0]);
    assert!(answers.concat().into_iter().eq((0..7).map(payload)), "they are out of order");
}

#[test]
fn a_client_that_does_not_read_has_few_large_messages_and_reads_all_in_order_later() {
    let node = Node::start();
    let queue = filled(&node, 12);
    let mut slow = Client::connected(&node, "slow", true, 100);
    assert_eq!(slow.subscribe("$queue/images", 1), 1);
    let shown = eventually(|| queue.show(), |shown| shown["in_flight"] == 5);
    assert_eq!(shown["delivered"], 5, "{shown}");
    // Others are served meanwhile.
    let mut other = Client::connected(&node, "other", true, 100);
    assert_eq!(other.subscribe("news", 1), 1);
    for number in 0..12 {
        assert!(slow.payload_acknowledged(0) == payload(number), "message {number} is not the next");
    }
    let shown = eventually(|| queue.show(), |shown| shown["messages"] == 0);
    assert_eq!((&shown["delivered"], &shown["redelivered"]), (&json!(12), &json!(0)), "{shown}");
}
