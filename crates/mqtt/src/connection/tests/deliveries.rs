//! Messages to the client.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::Bytes;
use message::{Publication, PublicationProperties, QoS, TopicName};

use super::pair::{Pair, connect};
use super::{VERSIONS, id};
use crate::connection::{Delivery, DeliveryOutcome, Event, Settings};
use crate::packet::{Ack, Connect, ConnectProperties, Packet, Publish, ReasonCode, Version};

fn publication(pair: &Pair, topic: &str) -> Publication {
    Publication::new(TopicName::parse(topic).unwrap(), Bytes::from_static(b"payload"), QoS::ExactlyOnce, pair.now.wall)
}

fn delivery(publication: &Publication, qos: QoS, slot: u16) -> Delivery<'_> {
    Delivery { publication, qos, retain: false, dup: false, slot: NonZeroU16::new(slot), subscription_ids: &[] }
}

fn deliver(pair: &mut Pair, topic: &str, qos: QoS, slot: u16) -> DeliveryOutcome {
    let publication = publication(pair, topic);
    pair.connection.handle_delivery(pair.now, &delivery(&publication, qos, slot))
}

fn received_publish(pair: &mut Pair) -> Publish {
    match pair.received().pop() {
        Some(Packet::Publish(publish)) => publish,
        other => panic!("a message is delivered, not {other:?}"),
    }
}

fn client_with(properties: ConnectProperties) -> Pair {
    Pair::open_with(Settings::default(), Connect { properties, ..connect(Version::V5) })
}

#[track_caller]
fn assert_delivered(pair: &mut Pair, slot: u16, expected: ReasonCode) {
    match pair.event() {
        Some(Event::Delivered { slot: ended, reason }) => assert_eq!((ended.get(), reason), (slot, expected)),
        other => panic!("the delivery has ended, not {other:?}"),
    }
}

#[test]
fn a_message_arrives_as_the_subscription_shall_see_it() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        let publication = publication(&pair, "plc/1");
        let delivery = Delivery {
            retain: true,
            dup: true,
            subscription_ids: &[5, 300],
            ..delivery(&publication, QoS::AtLeastOnce, 3)
        };
        assert_eq!(pair.connection.handle_delivery(pair.now, &delivery), DeliveryOutcome::Written);
        let publish = received_publish(&mut pair);
        assert_eq!(publish.topic.as_ref(), Some(&publication.topic));
        assert_eq!(publish.payload, publication.payload);
        assert_eq!((publish.qos, publish.retain, publish.dup), (QoS::AtLeastOnce, true, true));
        assert_eq!(publish.packet_id, Some(id(3)));
        let ids: &[u32] = if version == Version::V5 { &[5, 300] } else { &[] };
        assert_eq!(publish.subscription_ids, ids);
    }
}

#[test]
fn qos_0_needs_no_slot_and_no_answer() {
    let mut pair = Pair::open(Version::V5);
    assert_eq!(deliver(&mut pair, "a", QoS::AtMostOnce, 0), DeliveryOutcome::Written);
    assert_eq!(received_publish(&mut pair).packet_id, None);
    assert_eq!(pair.connection.send_window(), usize::from(Settings::default().in_flight_max));
}

#[test]
fn qos_1_ends_with_puback() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        assert_eq!(deliver(&mut pair, "a", QoS::AtLeastOnce, 8), DeliveryOutcome::Written);
        pair.send(&Packet::Puback(Ack::new(id(8), ReasonCode::Success)));
        assert_delivered(&mut pair, 8, ReasonCode::Success);
        // Nobody waits for it any more.
        pair.send(&Packet::Puback(Ack::new(id(8), ReasonCode::Success)));
        assert!(pair.event().is_none());
        assert!(pair.connection.is_open());
    }
}

#[test]
fn qos_2_ends_with_pubcomp() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        assert_eq!(deliver(&mut pair, "a", QoS::ExactlyOnce, 8), DeliveryOutcome::Written);
        pair.received();
        pair.send(&Packet::Pubrec(Ack::new(id(8), ReasonCode::Success)));
        assert!(matches!(pair.event(), Some(Event::Received { slot }) if slot == id(8)));
        pair.send(&Packet::Pubrec(Ack::new(id(8), ReasonCode::Success)));
        assert_eq!(pair.received(), [], "the release waits until the session has noted it");
        assert!(pair.event().is_none());
        pair.connection.handle_release(id(8));
        assert_eq!(pair.received(), [Packet::Pubrel(Ack::new(id(8), ReasonCode::Success))]);
        pair.send(&Packet::Pubcomp(Ack::new(id(8), ReasonCode::Success)));
        assert_delivered(&mut pair, 8, ReasonCode::Success);
    }
}

#[test]
fn a_delivery_that_the_client_refuses_has_ended() {
    for (qos, refusal) in [
        (QoS::AtLeastOnce, Packet::Puback(Ack::new(id(1), ReasonCode::QuotaExceeded))),
        (QoS::ExactlyOnce, Packet::Pubrec(Ack::new(id(1), ReasonCode::QuotaExceeded))),
    ] {
        let mut pair = Pair::open(Version::V5);
        assert_eq!(deliver(&mut pair, "a", qos, 1), DeliveryOutcome::Written);
        pair.received();
        pair.send(&refusal);
        assert_delivered(&mut pair, 1, ReasonCode::QuotaExceeded);
        assert_eq!(pair.received(), []);
    }
}

#[test]
fn a_release_is_repeated_on_the_next_connection() {
    let mut pair = Pair::open(Version::V5);
    pair.connection.handle_release(id(5));
    assert_eq!(pair.received(), [Packet::Pubrel(Ack::new(id(5), ReasonCode::Success))]);
    pair.send(&Packet::Pubcomp(Ack::new(id(5), ReasonCode::PacketIdentifierNotFound)));
    assert_delivered(&mut pair, 5, ReasonCode::PacketIdentifierNotFound);
}

#[test]
fn a_release_of_an_earlier_connection_takes_no_room_of_this_one() {
    let mut pair = client_with(ConnectProperties { receive_max: NonZeroU16::new(2), ..ConnectProperties::default() });
    pair.connection.handle_release(id(5));
    pair.connection.handle_release(id(6));
    assert_eq!(deliver(&mut pair, "a", QoS::AtLeastOnce, 1), DeliveryOutcome::Written);
    assert_eq!(deliver(&mut pair, "a", QoS::ExactlyOnce, 2), DeliveryOutcome::Written);
    pair.send(&Packet::Pubcomp(Ack::new(id(5), ReasonCode::Success)));
    // Its end makes no room either.
    assert_eq!(deliver(&mut pair, "a", QoS::AtLeastOnce, 3), DeliveryOutcome::WindowFull);
}

#[test]
fn an_acknowledgement_of_another_handshake_is_refused() {
    for (qos, ack) in [
        (QoS::AtLeastOnce, Packet::Pubrec as fn(Ack) -> Packet),
        (QoS::AtLeastOnce, Packet::Pubcomp),
        (QoS::ExactlyOnce, Packet::Puback),
        (QoS::ExactlyOnce, Packet::Pubcomp),
    ] {
        let mut pair = Pair::open(Version::V5);
        assert_eq!(deliver(&mut pair, "a", qos, 1), DeliveryOutcome::Written);
        pair.received();
        pair.send(&ack(Ack::new(id(1), ReasonCode::Success)));
        pair.assert_ended(ReasonCode::ProtocolError);
    }
}

#[test]
fn a_pubrec_that_nobody_waits_for_is_answered() {
    let mut pair = Pair::open(Version::V5);
    pair.send(&Packet::Pubrec(Ack::new(id(1), ReasonCode::Success)));
    assert_eq!(pair.received(), [Packet::Pubrel(Ack::new(id(1), ReasonCode::PacketIdentifierNotFound))]);
    assert!(pair.event().is_none());
}

#[test]
fn the_receive_maximum_of_the_client_is_kept() {
    let mut pair = client_with(ConnectProperties { receive_max: NonZeroU16::new(2), ..ConnectProperties::default() });
    assert_eq!(pair.connection.send_window(), 2);
    assert_eq!(deliver(&mut pair, "a", QoS::AtLeastOnce, 1), DeliveryOutcome::Written);
    assert_eq!(deliver(&mut pair, "a", QoS::ExactlyOnce, 2), DeliveryOutcome::Written);
    assert_eq!(deliver(&mut pair, "a", QoS::AtLeastOnce, 3), DeliveryOutcome::WindowFull);
    assert_eq!(deliver(&mut pair, "a", QoS::AtMostOnce, 0), DeliveryOutcome::Written);
    // A PUBREC alone does not make room, PUBCOMP does.
    pair.send(&Packet::Pubrec(Ack::new(id(2), ReasonCode::Success)));
    pair.note_received();
    assert_eq!(pair.connection.send_window(), 0);
    pair.send(&Packet::Pubcomp(Ack::new(id(2), ReasonCode::Success)));
    assert_eq!(deliver(&mut pair, "a", QoS::AtLeastOnce, 3), DeliveryOutcome::Written);
}

#[test]
fn the_maximum_packet_size_of_the_client_is_kept() {
    let mut pair =
        client_with(ConnectProperties { packet_bytes_max: NonZeroU32::new(40), ..ConnectProperties::default() });
    // Two bytes of head, 30 of topic, one of properties, seven of payload: 40.
    let fits = "x".repeat(28);
    assert_eq!(deliver(&mut pair, &fits, QoS::AtMostOnce, 0), DeliveryOutcome::Written);
    assert_eq!(deliver(&mut pair, &format!("{fits}x"), QoS::AtMostOnce, 0), DeliveryOutcome::TooLarge);
    assert_eq!(deliver(&mut pair, &fits, QoS::AtLeastOnce, 1), DeliveryOutcome::TooLarge);
    assert_eq!(pair.connection.send_window(), usize::from(Settings::default().in_flight_max));
    assert_eq!(pair.received().len(), 1);
}

#[test]
fn the_expiry_that_is_left_is_told_and_the_expired_is_not_sent() {
    let mut pair = Pair::open(Version::V5);
    let properties = PublicationProperties { message_expiry_s: Some(10), ..PublicationProperties::default() };
    let publication = Publication { properties: Some(Box::new(properties)), ..publication(&pair, "a") };
    pair.advance(Duration::from_secs(4));
    let fresh = delivery(&publication, QoS::AtMostOnce, 0);
    assert_eq!(pair.connection.handle_delivery(pair.now, &fresh), DeliveryOutcome::Written);
    assert_eq!(received_publish(&mut pair).properties.unwrap().message_expiry_s, Some(6));
    pair.advance(Duration::from_secs(6));
    assert_eq!(pair.connection.handle_delivery(pair.now, &fresh), DeliveryOutcome::Expired);
}

#[test]
fn a_repeated_topic_gives_way_to_an_alias_where_the_client_allows() {
    let mut pair = client_with(ConnectProperties { topic_alias_max: Some(8), ..ConnectProperties::default() });
    let mut received = Vec::new();
    for _ in 0..3 {
        assert_eq!(deliver(&mut pair, "plc/line1/temperature", QoS::AtMostOnce, 0), DeliveryOutcome::Written);
        let publish = received_publish(&mut pair);
        received.push((publish.topic.is_some(), publish.topic_alias));
    }
    let alias = received[2].1;
    assert!(alias.is_some_and(|alias| alias.get() <= 8));
    assert_eq!(received, [(true, alias), (false, alias), (false, alias)]);

    let mut pair = Pair::open(Version::V5);
    for _ in 0..3 {
        assert_eq!(deliver(&mut pair, "plc/line1/temperature", QoS::AtMostOnce, 0), DeliveryOutcome::Written);
        assert_eq!(received_publish(&mut pair).topic_alias, None);
    }
}

#[test]
fn an_alias_that_was_never_sent_is_not_used() {
    let topic = "plc/line1/temperature";
    let properties = ConnectProperties {
        topic_alias_max: Some(1),
        packet_bytes_max: NonZeroU32::new(34),
        ..ConnectProperties::default()
    };
    let mut pair = client_with(properties);
    // With the alias the packet is two bytes too large, so the client never learns it.
    for _ in 0..4 {
        assert_eq!(deliver(&mut pair, topic, QoS::AtMostOnce, 0), DeliveryOutcome::Written);
        let publish = received_publish(&mut pair);
        assert_eq!((publish.topic.is_some(), publish.topic_alias), (true, None));
    }
}

#[test]
fn nothing_is_delivered_before_or_after() {
    let mut pair = Pair::new(Settings::default());
    assert!(!pair.connection.wants_deliveries());
    assert_eq!(deliver(&mut pair, "a", QoS::AtMostOnce, 0), DeliveryOutcome::NotOpen);
    let mut pair = Pair::open(Version::V5);
    assert!(pair.connection.wants_deliveries());
    pair.connection.handle_transport_lost();
    assert_eq!(deliver(&mut pair, "a", QoS::AtMostOnce, 0), DeliveryOutcome::NotOpen);
    assert_eq!(pair.received(), []);
}
