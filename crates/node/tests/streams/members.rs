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

#[test]
fn what_was_acknowledged_behind_a_message_that_is_stuck_does_not_come_again_after_any_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    let stream = filled(&node, &json!({}), &["stuck"]);
    let mut stuck = Client::connected(&node, "stuck", 0, 1);
    stuck.subscribe(GROUP, 1, Some("earliest"));
    assert_eq!(stuck.next().offset(), 0);
    let mut busy = Client::connected(&node, "busy", 0, 50);
    busy.subscribe(GROUP, 1, None);
    for number in 1..=200 {
        stream.append(&payload(number));
        assert_eq!(busy.take().offset(), number);
    }
    let is_stuck_at_one = |stream: &Stream<'_>| {
        let shown = eventually(|| consumer(stream, "workers"), |shown| shown["lag"] == 1);
        assert_eq!(shown["offset"], 0, "{shown}");
    };
    is_stuck_at_one(&stream);
    let (_, shown, error) = node.command(&["stream", "show", "telemetry"]);
    assert!(shown.contains("\"lag\": 1,"), "{shown} {error}");
    node.expect_metrics(&["headwater_stream_consumer_lag_messages{stream=\"telemetry\",consumer=\"workers\"} 1"]);

    // A kill may take back what was acknowledged in the last moment.
    node.kill();
    node = Node::start_in(&data, &NodeOptions::default());
    let (next, mut client, messages) = all_that_comes(&node);
    let offsets: Vec<u64> = messages.iter().map(Message::offset).collect();
    assert_eq!(offsets[0], 0);
    assert!(offsets[1..].iter().copied().eq(offsets[1]..=next) && offsets[1] > 1, "{offsets:?}");
    messages[1..].iter().for_each(|message| client.acknowledge(message));
    is_stuck_at_one(&Stream::of(&node, "telemetry"));
    drop(client);

    assert!(node.stop().success());
    node = Node::start_in(&data, &NodeOptions::default());
    is_stuck_at_one(&Stream::of(&node, "telemetry"));
    let (next, client, messages) = all_that_comes(&node);
    assert_eq!(messages.iter().map(Message::offset).collect::<Vec<_>>(), [0, next]);
    drop(client);

    // What is read from the disk is not forgotten with what is written there.
    node.kill();
    node = Node::start_in(&data, &NodeOptions::default());
    let (last, mut client, messages) = all_that_comes(&node);
    assert_eq!(messages.iter().map(Message::offset).collect::<Vec<_>>(), [0, next, last]);
    messages.iter().for_each(|message| client.acknowledge(message));
    let stream = Stream::of(&node, "telemetry");
    let shown = eventually(|| consumer(&stream, "workers"), |shown| shown["lag"] == 0);
    assert_eq!(shown["offset"], last + 1);
}

/// Appends a message; its offset, and all that comes to a new member up to it, none of it acknowledged.
fn all_that_comes(node: &Node) -> (u64, Client, Vec<Message>) {
    let next = Stream::of(node, "telemetry").append("next");
    let mut client = Client::connected(node, "next", 0, 300);
    client.subscribe(GROUP, 1, None);
    let mut messages = vec![client.next()];
    while messages.last().is_some_and(|message| message.offset() < next) {
        messages.push(client.next());
    }
    (next, client, messages)
}

#[test]
fn a_group_that_is_moved_forgets_what_was_acknowledged_behind_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let stream = filled(&node, &json!({}), &["0", "1", "2", "3"]);
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe(GROUP, 1, Some("earliest"));
    let messages: Vec<Message> = (0..4).map(|_| client.next()).collect();
    [1, 3].iter().for_each(|place: &usize| client.acknowledge(&messages[*place]));
    eventually(|| consumer(&stream, "workers"), |shown| shown["lag"] == 2);
    drop(client);
    node.api_json("PUT", &stream.path("/consumers/workers"), &json!({ "offset": "1" })).json();
    assert_eq!(consumer(&stream, "workers")["lag"], 3);
    node.kill();
    let node = Node::start_in(&data, &NodeOptions::default());
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe(GROUP, 1, None);
    let offsets: Vec<u64> = (0..3).map(|_| client.next().offset()).collect();
    assert_eq!(offsets, [1, 2, 3]);
}
