//! What a client cannot make grow.

use std::num::NonZeroU16;

use message::{QoS, limits};

use super::pair::{Pair, connect};
use super::{publish, send_publish};
use crate::connection::{Event, Settings, TrafficFigures, TrafficTotals};
use crate::packet::{Ack, Packet, PacketType, ReasonCode, Version};

fn few() -> Settings {
    Settings { receive_max: 2, ..Settings::default() }
}

#[test]
fn the_receive_maximum_binds_a_client_of_5_0() {
    let mut pair = Pair::open_with(few(), connect(Version::V5));
    for packet_id in 1..=3 {
        send_publish(&mut pair, "a", QoS::AtLeastOnce, packet_id);
    }
    assert_eq!(pair.published().0, "a");
    assert_eq!(pair.published().0, "a");
    pair.assert_ended(ReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn a_message_of_qos_2_counts_until_it_is_released() {
    let mut pair = Pair::open_with(few(), connect(Version::V5));
    for packet_id in 1..=2 {
        send_publish(&mut pair, "a", QoS::ExactlyOnce, packet_id);
        let ticket = pair.published().1.unwrap();
        pair.connection.handle_published(ticket, ReasonCode::Success);
    }
    pair.send(&Packet::Pubrel(Ack::new(NonZeroU16::MIN, ReasonCode::Success)));
    pair.note_released();
    send_publish(&mut pair, "a", QoS::ExactlyOnce, 3);
    let ticket = pair.published().1.unwrap();
    pair.connection.handle_published(ticket, ReasonCode::Success);
    pair.received();
    send_publish(&mut pair, "a", QoS::ExactlyOnce, 4);
    pair.assert_ended(ReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn a_client_of_3_1_1_is_not_read_until_its_messages_are_answered() {
    let mut pair = Pair::open_with(few(), connect(Version::V3_1_1));
    for packet_id in 1..=3 {
        send_publish(&mut pair, "a", QoS::AtLeastOnce, packet_id);
    }
    let first = pair.published().1.unwrap();
    assert_eq!(pair.published().0, "a");
    assert!(pair.event().is_none());
    assert!(!pair.connection.wants_bytes());
    pair.connection.handle_published(first, ReasonCode::Success);
    assert!(pair.connection.wants_bytes());
    pair.read();
    assert_eq!(pair.published().0, "a");
}

#[test]
fn a_client_of_3_1_1_may_leave_any_number_of_messages_unreleased() {
    let mut pair = Pair::open_with(few(), connect(Version::V3_1_1));
    for packet_id in 1..=10 {
        send_publish(&mut pair, "a", QoS::ExactlyOnce, packet_id);
        let ticket = pair.published().1.unwrap();
        pair.connection.handle_published(ticket, ReasonCode::Success);
    }
    assert!(pair.connection.wants_bytes());
    assert_eq!(pair.connection.received().len(), 10);
}

#[test]
fn events_wait_in_the_buffer_until_they_are_taken() {
    let mut pair = Pair::open(Version::V5);
    let count = 3 * limits::MQTT_EVENTS_QUEUED_MAX;
    for _ in 0..count {
        Packet::Publish(publish("a", QoS::AtMostOnce, 0)).encode(Version::V5, &mut pair.input, 100).unwrap();
    }
    let mut handed_on = 0;
    let mut more = true;
    while more {
        more = pair.read();
        let before = handed_on;
        while let Some(Event::Publish { .. }) = pair.event() {
            handed_on += 1;
        }
        assert!(handed_on - before <= limits::MQTT_EVENTS_QUEUED_MAX);
    }
    assert_eq!(handed_on, count);
}

#[test]
fn requests_without_an_answer_stop_the_reading() {
    let mut pair = Pair::open(Version::V5);
    let mut tickets = Vec::new();
    for _ in 0..limits::MQTT_REQUESTS_PENDING_MAX {
        assert!(pair.connection.wants_bytes());
        pair.send_bytes(b"\x82\x07\x00\x01\x00\x00\x01a\x00");
        match pair.event() {
            Some(Event::Subscribe(request)) => tickets.push(request.ticket),
            other => panic!("a subscription is asked for, not {other:?}"),
        }
    }
    assert!(!pair.connection.wants_bytes());
    pair.connection.handle_subscribed(tickets.pop().unwrap(), &[ReasonCode::Success]);
    assert!(pair.connection.wants_bytes());
}

#[test]
fn a_client_that_pings_and_never_reads_is_not_read_either() {
    let mut pair = Pair::open(Version::V5);
    for _ in 0..limits::MQTT_TRANSMIT_BYTES_MAX {
        pair.input.extend_from_slice(b"\xc0\x00");
    }
    assert!(pair.read());
    assert!(!pair.connection.wants_bytes());
    assert!(!pair.connection.wants_deliveries());
    assert!(pair.connection.transmit().len() <= limits::MQTT_TRANSMIT_BYTES_MAX + 2);
    pair.connection.transmit().clear();
    assert!(!pair.read());
}

#[test]
fn a_packet_above_the_limit_ends_the_connection_from_its_head() {
    let settings = Settings { packet_bytes_max: 100, ..Settings::default() };
    let mut pair = Pair::open_with(settings, connect(Version::V5));
    pair.send_bytes(b"\x30\x63");
    pair.assert_ended(ReasonCode::PacketTooLarge);
}

#[test]
fn traffic_is_counted_by_type() {
    let mut pair = Pair::open(Version::V3_1_1);
    let totals = TrafficTotals::default();
    let figures = move |pair: &mut Pair| {
        let mut figures = TrafficFigures::default();
        pair.connection.collect_traffic(&totals);
        totals.add_to(&mut figures);
        figures
    };
    let before = figures(&mut pair);
    assert_eq!(figures(&mut pair), before, "nothing is counted twice");
    send_publish(&mut pair, "a", QoS::AtLeastOnce, 1);
    pair.send(&Packet::Pingreq);
    let ticket = pair.published().1.unwrap();
    pair.connection.handle_published(ticket, ReasonCode::Success);
    let after = figures(&mut pair);
    for (direction, packet, count) in [
        (after.received, PacketType::Connect, 1),
        (after.received, PacketType::Publish, 1),
        (after.received, PacketType::Pingreq, 1),
        (after.received, PacketType::Puback, 0),
        (after.sent, PacketType::Connack, 1),
        (after.sent, PacketType::Pingresp, 1),
        (after.sent, PacketType::Puback, 1),
    ] {
        assert_eq!(direction.packets(packet), count, "{packet:?}");
    }
    assert_eq!((after.received.all_packets(), after.sent.all_packets()), (3, 3));
    assert_eq!(after.received.bytes - before.received.bytes, 14 + 2);
    assert_eq!(after.sent.bytes - before.sent.bytes, 2 + 4);
    assert_eq!((after.received.payload_bytes, after.sent.payload_bytes), (7, 0));
}
