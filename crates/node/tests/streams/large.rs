//! Large messages, whose readers have few of them at a time: what they weigh is bounded, not only how many they are.

use serde_json::json;

use crate::harness::{Node, eventually};
use crate::mqtt::{Client, consumer, filled};

/// Of these five are more than four megabytes.
fn payload(number: u64) -> String {
    format!("{number:010}").repeat(100_000)
}

#[test]
fn readers_that_do_not_read_on_have_few_large_messages_and_get_all_in_order_later() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &[]);
    (0..12).for_each(|number| assert_eq!(stream.append(&payload(number)), number));
    let mut slow = [("one", "first"), ("two", "second")].map(|(client, group)| {
        let mut slow = Client::connected(&node, client, 0, 1_000);
        slow.subscribe(&format!("$share/{group}/$stream/telemetry"), 1, Some("earliest"));
        slow
    });
    for group in ["first", "second"] {
        eventually(|| consumer(&stream, group), |shown| shown["in_flight"] == 5);
    }
    // Others are served meanwhile.
    let mut other = Client::connected(&node, "other", 0, 1_000);
    other.subscribe("news", 1, None);
    for slow in &mut slow {
        for number in 0..12 {
            let message = slow.take();
            assert_eq!(message.offset(), number);
            assert!(message.payload == payload(number), "message {number} holds something else");
        }
    }
    for group in ["first", "second"] {
        let shown = eventually(|| consumer(&stream, group), |shown| shown["lag"] == 0);
        assert_eq!((&shown["offset"], &shown["in_flight"]), (&json!(12), &json!(0)), "{shown}");
    }
}
