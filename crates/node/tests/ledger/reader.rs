//! One who reads all that a stream has, from its first offset on until each publisher has ended.

use serde_json::Value;

use crate::PUBLISHERS;
use crate::book::Delivered;
use crate::harness::Node;

/// Offsets ascend, and where some are left out the node says how many.
pub(crate) fn read_all(node: &Node) -> Delivered {
    let mut delivered = Delivered::default();
    let (mut next, mut ended) = (0, 0);
    while ended < PUBLISHERS.len() {
        let page = node.api("GET", &format!("/streams/ledger/messages?offset={next}&max=1000&wait_s=1")).json();
        let messages = page["messages"].as_array().unwrap();
        let mut left_out = 0;
        for message in messages {
            let offset = message["offset"].as_u64().unwrap();
            assert!(offset >= next, "offset {offset} came when {next} was to come");
            left_out += offset - next;
            next = offset + 1;
            let text = |field: &Value| field.as_str().unwrap().to_owned();
            let number = text(&message["message"]["payload"]).parse().unwrap();
            ended += usize::from(delivered.note(text(&message["message"]["topic"]), number));
        }
        let end = page["next"].as_u64().unwrap();
        assert_eq!(page["missing"], left_out + end - next, "the stream says how many offsets are left out");
        next = end;
    }
    delivered
}
