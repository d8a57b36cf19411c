//! Large messages, whose consumers have few of them at a time: what they weigh is bounded, not only how many they are.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use crate::Queue;
use crate::harness::packets::{packet, text};
use crate::harness::{Node, NodeOptions, eventually};
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

/// Each queue has one message under way; together they are more than the mailbox takes, so that most of them wait for room there.
#[test]
fn a_client_of_many_queues_that_does_not_read_keeps_none_of_them_busy() {
    let node = Node::start_with(&NodeOptions::default().set("limits.mailbox_bytes_max", "1048576"));
    let names: Vec<String> = (0..9).map(|number| format!("camera{number}")).collect();
    let queues: Vec<Queue<'_>> = names.iter().map(|name| Queue::made(&node, name, &json!({}))).collect();
    for queue in &queues {
        assert_eq!(queue.put("", &queue.name.repeat(1_100_000)).status, 204);
    }
    let mut slow = Client::connected(&node, "slow", true, 1);
    let filters = names.iter().flat_map(|name| [text(&format!("$queue/{name}")), vec![1]].concat());
    slow.stream.write_all(&packet(0x82, &[0, 1, 0].into_iter().chain(filters).collect::<Vec<u8>>())).unwrap();
    let sum = |key: &str| queues.iter().map(|queue| queue.show()[key].as_u64().unwrap()).sum::<u64>();
    eventually(|| sum("consumers"), |consumers| *consumers == 9);
    // They come to rest: what finds no room is not handed out again and again.
    let two_looks = || {
        let before = sum("delivered");
        (0..20).for_each(|_| assert_eq!(node.api("GET", "/queues").status, 200));
        (before, sum("delivered"))
    };
    eventually(two_looks, |(before, after)| before == after);
    slow.answer(0x90);
    let came: BTreeSet<String> = (0..9).map(|_| slow.payload_acknowledged(0)[..7].to_owned()).collect();
    assert!(came.iter().eq(&names), "{came:?}");
    eventually(|| sum("messages"), |messages| *messages == 0);
    assert_eq!(sum("redelivered"), 0);
}
