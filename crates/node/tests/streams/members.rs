//! Members of a group that cannot, or will not, take what others can.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::Stream;
use crate::harness::packets::packet;
use crate::harness::{Node, NodeOptions, eventually};
use crate::mqtt::{Client, Message, consumer, filled};

const GROUP: &str = "$share/workers/$stream/telemetry";

fn payload(number: u64) -> String {
    format!("{number:01000}")
}

fn refuse(client: &mut Client, message: &Message, reason: u8) {
    let id = message.packet_id.unwrap();
    client.stream.write_all(&packet(0x40, &[id[0], id[1], reason, 0])).unwrap();
}

#[test]
fn what_is_too_large_for_one_member_goes_to_another() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &[]);
    let mut small = Client::connected_small(&node, "small", 500, 10);
    small.subscribe(GROUP, 1, None);
    let mut large = Client::connected(&node, "large", 0, 2);
    large.subscribe(GROUP, 1, None);
    for number in 0..20 {
        stream.append(&payload(number));
    }
    let mut taken: Vec<u64> = (0..20).map(|_| large.take().offset()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..20).collect::<Vec<u64>>());
    let shown = eventually(|| consumer(&stream, "workers"), |shown| shown["lag"] == 0);
    assert_eq!((&shown["offset"], &shown["skipped"]), (&json!(20), &json!(0)));
    // The other still gets what it can take.
    drop(large);
    eventually(|| consumer(&stream, "workers"), |shown| shown["members"] == 1);
    stream.append("short");
    assert_eq!(small.take().payload, "short");
}

#[test]
fn what_nobody_can_take_is_passed_over_and_counted() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &[]);
    let mut members = ["one", "two"].map(|id| Client::connected_small(&node, id, 500, 10));
    for member in &mut members {
        member.subscribe(GROUP, 1, None);
    }
    for number in 0..3 {
        stream.append(&payload(number));
    }
    let shown = eventually(|| consumer(&stream, "workers"), |shown| shown["lag"] == 0);
    assert_eq!((&shown["offset"], &shown["skipped"]), (&json!(3), &json!(3)));
    node.expect_metrics(&[
        "headwater_stream_consumer_skipped_messages_total{stream=\"telemetry\",consumer=\"workers\"} 3",
    ]);
    assert_eq!(node.log().matches("a message of a stream was passed over").count(), 1, "{}", node.log());
}

#[test]
fn what_one_member_refuses_goes_to_another_before_it_is_passed_over() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &[]);
    let mut members = ["one", "two"].map(|id| Client::connected(&node, id, 0, 10));
    for member in &mut members {
        member.subscribe(GROUP, 1, None);
    }
    for last in [0x00, 0x99] {
        let offset = stream.append("odd");
        let [one, two] = &mut members;
        // It is the turn of one of them; each has it once.
        let first = consumer_with_message(one, two);
        let message = first.0.next();
        assert_eq!(message.offset(), offset);
        refuse(first.0, &message, 0x99);
        let again = first.1.next();
        assert_eq!(again.offset(), offset);
        refuse(first.1, &again, last);
        let shown = eventually(|| consumer(&stream, "workers"), |shown| shown["offset"] == offset + 1);
        assert_eq!(shown["skipped"], u64::from(last >= 0x80), "{shown}");
    }
}

/// The member that has a message, and the other.
fn consumer_with_message<'a>(one: &'a mut Client, two: &'a mut Client) -> (&'a mut Client, &'a mut Client) {
    let has = |client: &Client| {
        client.stream.set_nonblocking(true).unwrap();
        let has = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        has
    };
    if eventually(|| [has(one), has(two)], |has| has[0] != has[1])[0] { (one, two) } else { (two, one) }
}

#[test]
fn a_consumer_that_has_read_what_a_loss_of_power_took_gets_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let stream = filled(&node, &json!({ "durability": "os" }), &[]);
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe(GROUP, 1, Some("earliest"));
    for number in 0..20 {
        stream.append("read");
        assert_eq!(client.take().offset(), number);
    }
    // Answered when it is on disk.
    node.api_json("PUT", &stream.path("/consumers/workers"), &json!({ "offset": "20" })).json();
    node.kill();
    // The last half is gone, as when the system had not written it.
    let stream_folder = fs::read_dir(data.join("streams")).unwrap().next().unwrap().unwrap().path();
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let mut logs = fs::read_dir(stream_folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_log);
    let log = logs.next().unwrap();
    let written = fs::read(&log).unwrap().iter().rposition(|byte| *byte != 0).unwrap() as u64;
    OpenOptions::new().write(true).open(&log).unwrap().set_len(written / 2).unwrap();
    for life in 0..2 {
        let node = Node::start_in(&data, &NodeOptions::default());
        let stream = Stream::of(&node, "telemetry");
        if life == 0 {
            assert!(node.log().contains("the end of a stream is lost"), "{}", node.log());
            assert!(stream.show()["messages"].as_u64().unwrap() < 20);
        }
        // No offset that was read is given again, and nobody waits in vain.
        let offset = stream.append("new");
        assert!(offset >= 20, "{offset}");
        let mut client = Client::connected(&node, "reader", 0, 10);
        client.subscribe(GROUP, 1, None);
        while client.take().offset() < offset {}
        eventually(|| consumer(&stream, "workers"), |shown| shown["lag"] == 0);
        node.kill();
    }
}
