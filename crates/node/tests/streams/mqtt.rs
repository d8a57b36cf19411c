//! Streams as MQTT clients read them.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::Stream;
use crate::harness::packets::{PINGREQ, connect_with, packet, read_packet, text};
use crate::harness::{DEADLINE, Node, NodeOptions, eventually};

/// A client of MQTT 5.0, packet by packet. Messages may come before the answer to the subscription that brings them.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    early: VecDeque<(u8, Vec<u8>)>,
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) packet_id: Option<[u8; 2]>,
    topic: String,
    pub(crate) payload: String,
    user_properties: Vec<(String, String)>,
}

impl Message {
    fn property(&self, name: &str) -> Option<&str> {
        self.user_properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn offset(&self) -> u64 {
        self.property("stream-offset").unwrap().parse().unwrap()
    }
}

impl Client {
    /// With a session that outlives the connection by so many seconds, and this Receive Maximum.
    pub(crate) fn connected(node: &Node, client_id: &str, session_s: u8, receive_max: u16) -> Self {
        Self::connected_with(node, client_id, 2, session_s, receive_max)
    }

    pub(crate) fn connected_with(node: &Node, client_id: &str, flags: u8, session_s: u8, receive_max: u16) -> Self {
        let mut properties = vec![0x11, 0, 0, 0, session_s, 0x21];
        properties.extend(receive_max.to_be_bytes());
        Self::connected_as(node, client_id, flags, &properties)
    }

    /// That takes packets of so many bytes, and so many messages at a time.
    pub(crate) fn connected_small(node: &Node, client_id: &str, packet_bytes_max: u32, receive_max: u16) -> Self {
        let mut properties = vec![0x27];
        properties.extend(packet_bytes_max.to_be_bytes());
        properties.push(0x21);
        properties.extend(receive_max.to_be_bytes());
        Self::connected_as(node, client_id, 2, &properties)
    }

    fn connected_as(node: &Node, client_id: &str, flags: u8, properties: &[u8]) -> Self {
        let mut stream = TcpStream::connect(node.mqtt).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&connect_with(client_id, flags, properties, &[])).unwrap();
        assert_eq!(read_packet(&mut stream).unwrap().0, 0x20);
        Self { stream, early: VecDeque::new() }
    }

    /// Subscribes to one filter; gives the body of SUBACK.
    pub(crate) fn ask_for(&mut self, filter: &str, qos: u8, offset: Option<&str>) -> Vec<u8> {
        let property = offset.map(|offset| [vec![0x26], text("offset"), text(offset)].concat()).unwrap_or_default();
        let length = vec![u8::try_from(property.len()).unwrap()];
        self.stream
            .write_all(&packet(0x82, &[vec![0, 1], length, property, text(filter), vec![qos]].concat()))
            .unwrap();
        self.answer(0x90)
    }

    /// The same; the node has to grant what was asked for.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8, offset: Option<&str>) {
        assert_eq!(self.ask_for(filter, qos, offset).last(), Some(&qos), "{filter}");
    }

    fn unsubscribe(&mut self, filter: &str) -> u8 {
        self.stream.write_all(&packet(0xA2, &[vec![0, 2, 0], text(filter)].concat())).unwrap();
        *self.answer(0xB0).last().unwrap()
    }

    /// Nothing came before the answer.
    pub(crate) fn ping(&mut self) {
        self.stream.write_all(PINGREQ).unwrap();
        assert_eq!(read_packet(&mut self.stream).unwrap().0, 0xD0);
    }

    /// The body of the next packet that begins so; messages that come before it are kept.
    pub(crate) fn answer(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            match read_packet(&mut self.stream).unwrap() {
                (first, body) if first == wanted => return body,
                message => self.early.push_back(message),
            }
        }
    }

    pub(crate) fn next(&mut self) -> Message {
        let early = self.early.pop_front();
        let (first, body) = early.unwrap_or_else(|| read_packet(&mut self.stream).unwrap());
        assert_eq!(first >> 4, 3, "{first:#x} is no PUBLISH");
        let (topic, mut rest) = taken_text(&body);
        let mut packet_id = None;
        if first & 6 > 0 {
            packet_id = Some([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        let (mut properties, payload) = rest[1..].split_at(usize::from(rest[0]));
        let mut user_properties = Vec::new();
        while let Some((0x26, after)) = properties.split_first() {
            let (name, after) = taken_text(after);
            let (value, after) = taken_text(after);
            user_properties.push((name, value));
            properties = after;
        }
        let payload = String::from_utf8(payload.to_vec()).unwrap();
        Message { packet_id, topic, payload, user_properties }
    }

    pub(crate) fn acknowledge(&mut self, message: &Message) {
        let id = message.packet_id.unwrap();
        self.stream.write_all(&packet(0x40, &id)).unwrap();
    }

    /// The next message, acknowledged.
    pub(crate) fn take(&mut self) -> Message {
        let message = self.next();
        self.acknowledge(&message);
        message
    }

    /// Offset and payload of the next so many messages, each acknowledged.
    pub(crate) fn take_many<const N: usize>(&mut self) -> [(u64, String); N] {
        [(); N].map(|()| {
            let message = self.take();
            (message.offset(), message.payload)
        })
    }
}

fn taken_text(bytes: &[u8]) -> (String, &[u8]) {
    let end = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    (String::from_utf8(bytes[2..end].to_vec()).unwrap(), &bytes[end..])
}

pub(crate) fn filled<'a>(node: &'a Node, settings: &Value, payloads: &[&str]) -> Stream<'a> {
    let stream = Stream::made(node, "telemetry", settings);
    for payload in payloads {
        stream.append(payload);
    }
    stream
}

pub(crate) fn told(offset: u64, payload: &str) -> (u64, String) {
    (offset, payload.to_owned())
}

/// What the node knows of a consumer.
pub(crate) fn consumer(stream: &Stream<'_>, name: &str) -> Value {
    let shown = stream.show();
    let consumers = shown["consumers"].as_array().unwrap();
    consumers.iter().find(|consumer| consumer["name"].as_str().unwrap().starts_with(name)).cloned().unwrap_or_default()
}

#[test]
fn a_client_reads_from_where_it_says_at_any_quality_and_what_comes() {
    let node = Node::start();
    let stream = filled(&node, &json!({ "bindings": ["plant/#"] }), &["a", "b", "c"]);
    let second = stream.page("?offset=1&max=1")["messages"][0]["appended_at"].as_str().unwrap().to_owned();
    let places = [
        (Some("earliest".to_owned()), "a"),
        (Some("1".to_owned()), "b"),
        (Some(format!("time:{second}")), "b"),
        (Some("latest".to_owned()), "d"),
        (None, "d"),
    ];
    let mut clients = Vec::new();
    for (index, (place, first)) in places.iter().enumerate() {
        for qos in [0, 1] {
            let mut client = Client::connected(&node, &format!("reader-{index}-{qos}"), 0, 100);
            client.subscribe("$stream/telemetry", qos, place.as_deref());
            clients.push((client, qos, *first));
        }
    }
    assert_eq!(stream.post("?topic=plant/1", "d").json(), json!({ "offset": 3 }));
    for (client, qos, first) in &mut clients {
        let expected = ["a", "b", "c", "d"].iter().enumerate().skip_while(|(_, payload)| *payload != first);
        for (offset, payload) in expected {
            let message = if *qos == 0 { client.next() } else { client.take() };
            assert_eq!((message.offset(), message.payload.as_str()), (offset as u64, *payload));
            assert_eq!(message.packet_id.is_some(), *qos == 1);
            let at = &stream.page(&format!("?offset={offset}&max=1"))["messages"][0]["appended_at"];
            assert_eq!(message.property("stream-time"), at.as_str());
            assert_eq!(message.property("stream-missing"), None);
        }
    }
    let (client, ..) = &mut clients[1];
    assert_eq!(client.unsubscribe("$stream/telemetry"), 0);
    assert_eq!(stream.show()["consumers"], json!([]));
}

#[test]
fn the_topic_and_the_properties_are_those_of_the_publisher() {
    let node = Node::start();
    let stream = filled(&node, &json!({ "bindings": ["plant/#"] }), &[]);
    let mut publisher = Client::connected(&node, "publisher", 0, 10);
    let pairs = [("a", "b"), ("stream-offset", "99"), ("delay", "1h")];
    let properties: Vec<u8> =
        pairs.iter().flat_map(|(name, value)| [vec![0x26], text(name), text(value)].concat()).collect();
    let length = vec![u8::try_from(properties.len()).unwrap()];
    let body = [text("plant/1"), vec![0, 1], length, properties, b"x".to_vec()].concat();
    publisher.stream.write_all(&packet(0x32, &body)).unwrap();
    publisher.answer(0x40);
    let mut reader = Client::connected(&node, "reader", 0, 10);
    reader.subscribe("$stream/telemetry", 2, Some("earliest"));
    let message = reader.next();
    assert_eq!((message.topic.as_str(), message.payload.as_str(), message.offset()), ("plant/1", "x", 0));
    assert_eq!((message.property("a"), message.property("delay")), (Some("b"), Some("1h")));
    let id = message.packet_id.unwrap();
    reader.stream.write_all(&packet(0x50, &id)).unwrap();
    assert_eq!(reader.answer(0x62), id);
    reader.stream.write_all(&packet(0x70, &id)).unwrap();
    stream.append("y");
    assert_eq!(reader.next().payload, "y");
}

#[test]
fn what_cannot_be_read_is_refused_with_words() {
    let node = Node::start();
    filled(&node, &json!({}), &[]);
    let mut client = Client::connected(&node, "reader", 0, 10);
    for (filter, place, reason, words) in [
        ("$stream/nowhere", None, 0x8F, "no stream `nowhere`"),
        ("$stream/a/b", None, 0x8F, "no stream name"),
        ("$stream/telemetry", Some("soon"), 0x83, "`soon` is no place in a stream"),
        ("$share/session-1/$stream/telemetry", None, 0x83, "those of sessions"),
        ("$share/a b/$stream/telemetry", None, 0x83, "no consumer name"),
    ] {
        let answer = client.ask_for(filter, 1, place);
        assert_eq!(answer.last(), Some(&reason), "{filter}");
        assert_eq!(answer[3], 0x1F, "{filter}: a reason string");
        let (told, _) = taken_text(&answer[4..]);
        assert!(told.contains(words), "{filter}: {told}");
    }
}

#[test]
fn a_client_has_no_more_at_a_time_than_it_takes_and_the_rest_waits_in_the_log() {
    let node = Node::start();
    let stream = filled(&node, &json!({ "durability": "os" }), &[]);
    for number in 0..200 {
        stream.append(&number.to_string());
    }
    let mut client = Client::connected(&node, "reader", 60, 5);
    client.subscribe("$stream/telemetry", 1, Some("earliest"));
    let held: Vec<Message> = (0..5).map(|_| client.next()).collect();
    let shown = eventually(|| consumer(&stream, "session-"), |shown| shown["in_flight"] == 5);
    assert_eq!((&shown["offset"], &shown["lag"], &shown["members"]), (&json!(0), &json!(200), &json!(1)));
    held.iter().for_each(|message| client.acknowledge(message));
    for number in 5..200 {
        let message = client.take();
        assert_eq!((message.offset(), message.payload), (number, number.to_string()));
    }
    eventually(|| consumer(&stream, "session-"), |shown| shown["lag"] == 0);
}

#[test]
fn a_reader_is_told_what_it_missed() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &["a", "b"]);
    assert_eq!(node.api("DELETE", &stream.path("/messages")).json(), json!({ "purged": 2 }));
    stream.append("c");
    stream.append("d");
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe("$stream/telemetry", 1, Some("0"));
    let message = client.take();
    assert_eq!((message.offset(), message.property("stream-missing")), (2, Some("2")));
    assert_eq!(client.take().property("stream-missing"), None);
}

#[test]
fn a_session_goes_on_where_it_was_after_any_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut node = Node::start_in(&data, &NodeOptions::default());
    let stream = filled(&node, &json!({}), &["0", "1", "2", "3"]);
    let mut client = Client::connected(&node, "reader", 200, 2);
    client.subscribe("$stream/telemetry", 1, Some("earliest"));
    assert_eq!(client.take_many(), [told(0, "0"), told(1, "1")]);
    // What it has not acknowledged comes again to the next connection.
    assert_eq!(client.next().payload, "2");
    eventually(|| consumer(&stream, "session-"), |shown| shown["offset"] == 2);
    drop(client);
    let mut client = Client::connected_with(&node, "reader", 0, 200, 2);
    assert_eq!(client.take_many(), [told(2, "2")]);
    drop(client);
    for end in ["killed", "stopped"] {
        let stream = Stream::of(&node, "telemetry");
        let next = stream.append(end);
        let before = consumer(&stream, "session-")["offset"].as_u64().unwrap();
        assert!(before <= next);
        if end == "killed" {
            node.kill();
        } else {
            assert!(node.stop().success());
        }
        node = Node::start_in(&data, &NodeOptions::default());
        let mut client = Client::connected_with(&node, "reader", 0, 200, 10);
        // A kill may take back what was acknowledged in the last moment; nothing is left out.
        let mut offsets = Vec::new();
        while offsets.last() != Some(&next) {
            offsets.push(client.take().offset());
        }
        assert_eq!(offsets, (offsets[0]..=next).collect::<Vec<_>>());
        let first = if end == "killed" { 0..=before + 1 } else { before..=before + 1 };
        assert!(first.contains(&offsets[0]), "{end}: {offsets:?} after {before}");
        let stream = Stream::of(&node, "telemetry");
        eventually(|| consumer(&stream, "session-"), |shown| shown["offset"] == next + 1);
        drop(client);
        eventually(|| consumer(&stream, "session-"), |shown| shown["members"] == 0);
    }
}

#[test]
fn a_cursor_goes_with_its_subscription_or_its_session() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &["0"]);
    let mut client = Client::connected(&node, "reader", 200, 10);
    client.subscribe("$stream/telemetry", 1, Some("earliest"));
    assert_eq!(client.take().offset(), 0);
    // The same subscription once more goes on.
    client.subscribe("$stream/telemetry", 1, Some("earliest"));
    stream.append("1");
    assert_eq!(client.take().offset(), 1);
    assert_eq!(client.unsubscribe("$stream/telemetry"), 0);
    assert_eq!(consumer(&stream, "session-"), Value::Null);
    client.subscribe("$stream/telemetry", 1, Some("earliest"));
    assert_eq!(client.take().offset(), 0);
    drop(client);
    let client = Client::connected(&node, "reader", 0, 10);
    eventually(|| consumer(&stream, "session-"), Value::is_null);
    drop(client);
}

#[test]
fn members_of_a_group_share_the_messages_and_what_one_had_goes_to_another() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &[]);
    let mut members = ["one", "two"].map(|id| Client::connected(&node, id, 0, 2));
    for member in &mut members {
        member.subscribe("$share/workers/$stream/telemetry", 1, None);
    }
    for number in 0..10 {
        stream.append(&number.to_string());
    }
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.extend(members.iter_mut().map(|member| member.take().offset()));
    }
    let [mut stays, mut goes] = members;
    let held = [goes.next().offset(), goes.next().offset()];
    drop(goes);
    while taken.len() < 10 {
        taken.push(stays.take().offset());
    }
    assert!(held.iter().all(|offset| taken.contains(offset)), "{held:?} of {taken:?}");
    taken.sort_unstable();
    assert_eq!(taken, (0..10).collect::<Vec<u64>>());
    let shown = eventually(|| consumer(&stream, "workers"), |shown| shown["lag"] == 0);
    assert_eq!((&shown["offset"], &shown["members"]), (&json!(10), &json!(1)));
    drop(stays);
    eventually(|| consumer(&stream, "workers"), |shown| shown["members"] == 0);
    stream.append("10");
    let mut next = Client::connected(&node, "three", 0, 2);
    next.subscribe("$share/workers/$stream/telemetry", 1, Some("earliest"));
    assert_eq!(next.take().offset(), 10);
}

#[test]
fn a_group_is_moved_by_the_api_and_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let stream = filled(&node, &json!({}), &["0", "1", "2"]);
    let seek = |place: &str| node.api_json("PUT", &stream.path("/consumers/workers"), &json!({ "offset": place }));
    assert_eq!(seek("1").json(), json!({ "offset": 1 }));
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe("$share/workers/$stream/telemetry", 1, None);
    assert_eq!(client.take_many(), [told(1, "1"), told(2, "2")]);
    // Readers that are there go on from there, too.
    assert_eq!(seek("earliest").json(), json!({ "offset": 0 }));
    assert_eq!(client.take_many(), [told(0, "0"), told(1, "1"), told(2, "2")]);
    assert!(seek("nowhere").problem(400).contains("no place"));
    eventually(|| consumer(&stream, "workers"), |shown| shown["offset"] == 3);
    let (code, out, error) = node.command(&["stream", "seek", "telemetry", "workers", "2"]);
    assert_eq!((code, out.as_str()), (0, "2\n"), "{error}");
    assert_eq!(client.next().offset(), 2);
    node.kill();
    let node = Node::start_in(&data, &NodeOptions::default());
    let stream = Stream::of(&node, "telemetry");
    assert_eq!(consumer(&stream, "workers")["offset"], 2);
    let (code, _, error) = node.command(&["stream", "forget", "telemetry", "workers"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(consumer(&stream, "workers"), Value::Null);
    node.api("DELETE", &stream.path("/consumers/workers")).problem(404);
    node.api_json("PUT", &stream.path("/consumers/session-1"), &json!({ "offset": "0" })).problem(404);
}

#[test]
fn the_lag_of_consumers_is_in_the_metrics() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &["0", "1", "2"]);
    node.api_json("PUT", &stream.path("/consumers/workers"), &json!({ "offset": "1" })).json();
    let metrics = crate::harness::http(node.web, "GET", "/metrics", &[], b"").text();
    let line = "headwater_stream_consumer_lag_messages{stream=\"telemetry\",consumer=\"workers\"} 2";
    assert!(metrics.lines().any(|it| it == line), "{line} is not in {metrics}");
}
