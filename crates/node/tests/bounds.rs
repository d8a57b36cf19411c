//! What one client cannot make a node hold or do: every limit that a person can set, met from outside, with what is
//! counted when it is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "this file uses a part of it")]
mod harness;

use harness::client::Client;
use harness::packets::{self, DISCONNECT, PINGREQ};
use harness::{Node, NodeOptions, eventually, http};

/// A node with some of its limits set.
fn node(limits: &[(&str, &str)]) -> Node {
    let options = NodeOptions::default().set("node.sys_interval_s", "0");
    let options = limits.iter().fold(options, |options, (key, value)| options.set(&format!("limits.{key}"), value));
    Node::start_with(&options)
}

/// The value of one sample, named with its labels.
fn metric(node: &Node, sample: &str) -> u64 {
    let text = http(node.web, "GET", "/metrics", &[], b"").text();
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
}

/// Waits until a sample has a value: what ends a connection is counted a moment later.
fn await_metric(node: &Node, sample: &str, value: u64) {
    eventually(|| metric(node, sample), |now| *now == value);
}

fn ended(end: &str) -> String {
    format!("headwater_mqtt_ended_connections_total{{end=\"{end}\"}}")
}

fn dropped(reason: &str) -> String {
    format!("headwater_broker_dropped_messages_total{{reason=\"{reason}\"}}")
}

#[test]
fn a_packet_above_the_limit_ends_the_connection() {
    let node = node(&[("mqtt_packet_bytes_max", "1024")]);
    let mut client = Client::open(node.mqtt);
    let (_, connack) = client.ask(&packets::connect("large"));
    assert!(connack.windows(5).any(|property| property == [0x27, 0, 0, 4, 0]), "Maximum Packet Size {connack:?}");
    client.publish("a", &[0; 1024 - 9]);
    client.send(&packets::publish("a", Some(2), &[0; 1024]));
    assert_eq!(client.reason_of_end(), 0x95);
    await_metric(&node, &ended("packet_too_large"), 1);
}

#[test]
fn a_packet_above_the_clients_limit_is_dropped_and_the_next_is_sent() {
    let node = node(&[]);
    let hundred_bytes = [0x27, 0, 0, 0, 100];
    let mut small = Client::connect(node.mqtt, &packets::connect_with("small", 2, &hundred_bytes, &[]));
    assert_eq!(small.subscribe("a", 1), 1);
    let mut publisher = Client::connect(node.mqtt, &packets::connect("publisher"));
    publisher.publish("a", &[0; 100]);
    publisher.publish("a", b"fits");
    assert!(small.read().unwrap().1.ends_with(b"fits"));
    assert_eq!(metric(&node, &dropped("too_large")), 1);
}

#[test]
fn who_does_not_connect_in_time_is_closed() {
    let node = node(&[("mqtt_connect_deadline_s", "1")]);
    let mut silent = Client::open(node.mqtt);
    let mut halting = Client::open(node.mqtt);
    halting.send(&packets::connect("halting")[..9]);
    let mut web = Client::open(node.mqtt_ws);
    web.send(b"GET /mqtt HTTP/1.1\r\n");
    assert!(silent.read().is_none() && halting.read().is_none() && web.read().is_none());
    await_metric(&node, &ended("connect_deadline"), 2);
}

#[test]
fn connections_beyond_the_limit_are_closed_and_a_place_that_is_left_is_given_again() {
    let node = node(&[("mqtt_connections_max", "2")]);
    let mut first = Client::connect(node.mqtt, &packets::connect("1"));
    let _second = Client::connect(node.mqtt, &packets::connect("2"));
    assert!(Client::open(node.mqtt).read().is_none());
    assert!(Client::open(node.mqtt_ws).read().is_none());
    assert_eq!(metric(&node, "headwater_mqtt_connections_refused_total"), 2);
    assert_eq!(metric(&node, "headwater_mqtt_open_connections"), 2);
    assert!(node.log().contains("limits.mqtt_connections_max"), "{}", node.log());
    first.send(DISCONNECT);
    assert!(first.read().is_none());
    drop(first);
    await_metric(&node, "headwater_mqtt_open_connections", 1);
    Client::connect(node.mqtt, &packets::connect("3"));
}

#[test]
fn a_session_beyond_the_limit_is_refused() {
    let node = node(&[("mqtt_sessions_max", "1")]);
    let mut first = Client::connect(node.mqtt, &packets::connect("first"));
    let (packet, connack) = Client::open(node.mqtt).ask(&packets::connect("second"));
    assert_eq!((packet, connack[1]), (0x20, 0x97));
    assert_eq!(metric(&node, "headwater_mqtt_sessions_refused_total"), 1);
    await_metric(&node, &ended("refused"), 1);
    // Its own client may come again.
    Client::connect(node.mqtt, &packets::connect("first"));
    assert_eq!(first.reason_of_end(), 0x8e);
    await_metric(&node, &ended("taken_over"), 1);
}

#[test]
fn subscriptions_beyond_the_limit_are_refused_one_by_one() {
    let node = node(&[("mqtt_subscriptions_per_session_max", "2")]);
    let mut client = Client::connect(node.mqtt, &packets::connect("many"));
    let three = [vec![0, 1, 0], packets::text("a"), vec![0], packets::text("b"), vec![1], packets::text("c"), vec![0]];
    let (_, suback) = client.ask(&packets::packet(0x82, &three.concat()));
    assert_eq!(suback[3..], [0, 1, 0x97]);
    // One that is there may be changed.
    assert_eq!(client.subscribe("a", 1), 1);
    assert_eq!(client.subscribe("d", 1), 0x97);
    assert_eq!(metric(&node, "headwater_mqtt_subscriptions_refused_total"), 2);
    assert_eq!(metric(&node, "headwater_broker_subscriptions"), 2);
}

#[test]
fn topics_beyond_the_limits_are_refused_where_they_stand() {
    let node = node(&[("mqtt_topic_levels_max", "3"), ("mqtt_topic_bytes_max", "10")]);
    let connect = |name| Client::connect(node.mqtt, &packets::connect(name));
    let mut good = connect("good");
    assert_eq!(good.subscribe("a/+/#", 0), 0);
    assert_eq!(good.subscribe("$share/of-a-name/a/+/#", 0), 0);
    assert_eq!(good.subscribe("a/b/c/d", 0), 0x8f);
    assert_eq!(good.subscribe("a-long-name", 0), 0x8f);
    good.publish("a/b/c", b"");
    for topic in ["a/b/c/d", "a-long-name"] {
        let mut client = connect("deep");
        client.send(&packets::publish(topic, Some(1), b""));
        assert_eq!(client.reason_of_end(), 0x90, "{topic}");
        let mut client = Client::open(node.mqtt);
        assert_eq!(client.ask(&packets::connect_with_will("will", topic, "")).1[1], 0x90, "{topic}");
    }
}

#[test]
fn messages_under_way_to_the_node_are_limited() {
    let node = node(&[("mqtt_receive_max", "2")]);
    let mut client = Client::open(node.mqtt);
    let (_, connack) = client.ask(&packets::connect("hasty"));
    assert!(connack.windows(3).any(|property| property == [0x21, 0, 2]), "Receive Maximum {connack:?}");
    let publish = |packet_id: u8| packets::packet(0x34, &[&packets::text("a")[..], &[0, packet_id, 0]].concat());
    assert_eq!(client.ask(&publish(1)).0, 0x50);
    assert_eq!(client.ask(&publish(2)).0, 0x50);
    // Neither was released.
    client.send(&publish(3));
    assert_eq!(client.reason_of_end(), 0x93);
    await_metric(&node, &ended("receive_maximum_exceeded"), 1);
}

#[test]
fn messages_under_way_to_a_client_are_limited_by_both_sides() {
    let node = node(&[("mqtt_in_flight_max", "3")]);
    let mut publisher = Client::connect(node.mqtt, &packets::connect("publisher"));
    for (client_id, receive_max, under_way) in [("more", 9, 3), ("less", 2, 2)] {
        let properties = [0x21, 0, receive_max];
        let mut client = Client::connect(node.mqtt, &packets::connect_with(client_id, 2, &properties, &[]));
        client.subscribe("a", 1);
        for _ in 0..5 {
            publisher.publish("a", b"");
        }
        let packet_ids: Vec<_> = (0..under_way).map(|_| client.read().unwrap().1[3..5].to_vec()).collect();
        // An answer that comes at once: no further message was on its way.
        assert_eq!(client.ask(PINGREQ).0, 0xd0);
        assert_eq!(metric(&node, "headwater_mqtt_in_flight_messages"), under_way);
        assert_eq!(metric(&node, "headwater_mqtt_waiting_messages") + under_way, 5);
        assert_eq!(client.ask(&[&[0x40, 2], &packet_ids[0][..]].concat()).0, 0x32);
        client.send(DISCONNECT);
        assert!(client.read().is_none());
    }
}

#[test]
fn retained_messages_beyond_the_limit_are_forwarded_and_not_kept() {
    let node = node(&[("retained_messages_max", "1")]);
    let mut client = Client::connect(node.mqtt, &packets::connect("client"));
    client.subscribe("#", 0);
    for topic in ["a", "b"] {
        let mut packet = packets::publish(topic, None, b"kept?");
        packet[0] |= 1;
        assert_eq!(packets::published(&client.ask(&packet).1), (topic.to_owned(), b"kept?".to_vec()));
    }
    assert_eq!(metric(&node, "headwater_broker_retained_messages"), 1);
    assert_eq!(metric(&node, &dropped("retained_full")), 1);
}

/// More than the sockets between a node and a client hold.
const FLOOD_MESSAGES: u32 = 3_000;
const FLOOD_BYTES: usize = 10_000;

/// Publishes so much, with QoS 0 to the subscriber, that what does not fit is dropped once this returns.
fn flood(node: &Node) {
    let mut publisher = Client::connect(node.mqtt, &packets::connect("publisher"));
    for number in 0..FLOOD_MESSAGES {
        publisher.publish("flood", &[&number.to_be_bytes()[..], &[0; FLOOD_BYTES]].concat());
    }
}

#[test]
fn a_full_mailbox_drops_what_the_configuration_says() {
    for (policy, gets_the_last) in [("new", false), ("oldest", true)] {
        let node = node(&[("mailbox_messages_max", "10"), ("mailbox_drops", policy)]);
        let mut slow = Client::connect(node.mqtt, &packets::connect("slow"));
        slow.subscribe("flood", 0);
        flood(&node);
        let lost = metric(&node, &dropped("overflow"));
        assert!(lost > 0, "{policy}");
        let mut numbers = Vec::new();
        while numbers.len() < FLOOD_MESSAGES as usize - lost as usize {
            let payload = packets::published(&slow.read().unwrap().1).1;
            numbers.push(u32::from_be_bytes(payload[..4].try_into().unwrap()));
        }
        assert!(numbers.is_sorted(), "{policy}");
        assert_eq!(numbers[0], 0);
        assert_eq!(numbers.last() == Some(&(FLOOD_MESSAGES - 1)), gets_the_last, "{policy}");
        assert_eq!(metric(&node, &ended("too_slow")), 0);
    }
}

#[test]
fn a_client_that_stays_too_slow_is_disconnected_and_others_are_not() {
    let node = node(&[("mailbox_messages_max", "10"), ("mqtt_slow_client_s_max", "1")]);
    let mut fast = Client::connect(node.mqtt, &packets::connect("fast"));
    fast.subscribe("other", 0);
    let mut slow = Client::connect(node.mqtt, &packets::connect_with_will("slow", "other", "slow"));
    slow.subscribe("flood", 0);
    flood(&node);
    assert!(metric(&node, &dropped("overflow")) > 0);
    // The slow one reads nothing; its will tells that it is gone.
    assert_eq!(packets::published(&fast.read().unwrap().1), ("other".to_owned(), b"slow".to_vec()));
    assert_eq!(metric(&node, &ended("too_slow")), 1);
    assert!(node.log().contains("a client is too slow"), "{}", node.log());
    assert_eq!(fast.ask(PINGREQ).0, 0xd0);
}
