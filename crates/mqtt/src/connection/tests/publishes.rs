//! Messages from the client.

use bytestring::ByteString;
use message::{ClientId, PublicationProperties, QoS, TopicName};

use super::pair::{Pair, connect};
use super::{VERSIONS, id, publish, send_publish};
use crate::connection::{Accept, CloseCause, Event, PublishTicket, ReceivedIds, Settings};
use crate::packet::{Ack, Packet, Publish, ReasonCode, Version};

fn puback(packet_id: u16) -> Packet {
    Packet::Puback(Ack::new(id(packet_id), ReasonCode::Success))
}

fn pubrec(packet_id: u16) -> Packet {
    Packet::Pubrec(Ack::new(id(packet_id), ReasonCode::Success))
}

fn pubrel(packet_id: u16) -> Packet {
    Packet::Pubrel(Ack::new(id(packet_id), ReasonCode::Success))
}

fn pubcomp(packet_id: u16, reason: ReasonCode) -> Packet {
    Packet::Pubcomp(Ack::new(id(packet_id), reason))
}

fn ticket(pair: &mut Pair) -> PublishTicket {
    pair.published().1.expect("the message wants an answer")
}

#[test]
fn a_message_is_handed_on_whole() {
    let properties = PublicationProperties {
        content_type: Some(ByteString::from_static("text/plain")),
        message_expiry_s: Some(60),
        ..PublicationProperties::default()
    };
    let mut pair = Pair::open(Version::V5);
    let sent = Publish {
        retain: true,
        properties: Some(Box::new(properties.clone())),
        ..publish("plc/1", QoS::AtMostOnce, 0)
    };
    pair.send(&Packet::Publish(sent));
    let Some(Event::Publish { publication, ticket: None }) = pair.event() else { panic!("a message was sent") };
    assert_eq!(publication.topic.as_str(), "plc/1");
    assert_eq!(publication.payload, "payload");
    assert_eq!(publication.qos, QoS::AtMostOnce);
    assert!(publication.retain);
    assert_eq!(publication.published_at, pair.now.wall);
    assert_eq!(publication.properties.as_deref(), Some(&properties));
    assert_eq!(pair.received(), []);
}

#[test]
fn a_topic_that_repeats_is_handed_on_the_same() {
    let mut pair = Pair::open(Version::V3_1_1);
    for round in 0..5 {
        for topic in ["plc/1", "plc/2", "plc/ä"] {
            send_publish(&mut pair, topic, QoS::AtMostOnce, 0);
            assert_eq!(pair.published().0, topic, "round {round}");
        }
    }
}

#[test]
fn an_acknowledgement_waits_for_the_driver() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        send_publish(&mut pair, "a", QoS::AtLeastOnce, 7);
        let ticket = ticket(&mut pair);
        assert_eq!(pair.received(), []);
        pair.connection.handle_published(ticket, ReasonCode::Success);
        assert_eq!(pair.received(), [puback(7)]);
    }
}

#[test]
fn a_release_before_its_message_is_answered_waits_and_so_does_what_follows() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        send_publish(&mut pair, "a", QoS::ExactlyOnce, 7);
        pair.send(&pubrel(7));
        send_publish(&mut pair, "b", QoS::ExactlyOnce, 7);
        let first = ticket(&mut pair);
        assert!(pair.event().is_none(), "the identifier is not free yet");
        assert_eq!(pair.received(), []);
        pair.connection.handle_published(first, ReasonCode::Success);
        pair.note_released();
        pair.read();
        assert_eq!(pair.received(), [pubrec(7), pubcomp(7, ReasonCode::Success)]);
        let second = ticket(&mut pair);
        pair.connection.handle_published(second, ReasonCode::Success);
        assert_eq!(pair.received(), [pubrec(7)]);
    }
}

#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    let mut pair = Pair::open(Version::V5);
    send_publish(&mut pair, "a", QoS::AtLeastOnce, 3);
    send_publish(&mut pair, "b", QoS::ExactlyOnce, 1);
    send_publish(&mut pair, "c", QoS::AtLeastOnce, 2);
    let (first, second, third) = (ticket(&mut pair), ticket(&mut pair), ticket(&mut pair));
    pair.connection.handle_published(third, ReasonCode::Success);
    assert_eq!(pair.received(), []);
    pair.connection.handle_published(first, ReasonCode::Success);
    assert_eq!(pair.received(), [puback(3)]);
    pair.connection.handle_published(second, ReasonCode::Success);
    assert_eq!(pair.received(), [pubrec(1), puback(2)]);
}

#[test]
fn a_refusal_is_told_in_5_0_and_ends_3_1_1() {
    let mut pair = Pair::open(Version::V5);
    send_publish(&mut pair, "a", QoS::AtLeastOnce, 1);
    let one = ticket(&mut pair);
    pair.connection.handle_published(one, ReasonCode::NotAuthorized);
    assert_eq!(pair.received(), [Packet::Puback(Ack::new(id(1), ReasonCode::NotAuthorized))]);

    let mut pair = Pair::open(Version::V3_1_1);
    send_publish(&mut pair, "a", QoS::AtLeastOnce, 1);
    let one = ticket(&mut pair);
    pair.connection.handle_published(one, ReasonCode::NotAuthorized);
    assert_eq!(pair.received(), []);
    assert_eq!(pair.closed().cause, CloseCause::ByServer(ReasonCode::NotAuthorized));
}

#[test]
fn a_message_of_qos_2_is_handed_on_once() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        send_publish(&mut pair, "a", QoS::ExactlyOnce, 9);
        let first = ticket(&mut pair);
        send_publish(&mut pair, "a", QoS::ExactlyOnce, 9);
        assert!(pair.event().is_none());
        assert_eq!(pair.received(), []);
        pair.connection.handle_published(first, ReasonCode::Success);
        assert_eq!(pair.received(), [pubrec(9), pubrec(9)]);
        pair.send(&pubrel(9));
        assert_eq!(pair.received(), [], "the client is told when the session has noted it");
        pair.note_released();
        assert_eq!(pair.received(), [pubcomp(9, ReasonCode::Success)]);
        // The identifier is free again.
        send_publish(&mut pair, "b", QoS::ExactlyOnce, 9);
        assert_eq!(pair.published().0, "b");
    }
}

#[test]
fn a_message_of_qos_2_is_known_again_on_the_next_connection() {
    let mut pair = Pair::open(Version::V5);
    send_publish(&mut pair, "a", QoS::ExactlyOnce, 4);
    let one = ticket(&mut pair);
    pair.connection.handle_transport_lost();
    pair.connection.handle_published(one, ReasonCode::Success);
    let received = pair.connection.received().clone();
    assert_eq!(received, ReceivedIds::from([id(4)]));

    let mut pair = Pair::new(Settings::default());
    pair.send(&Packet::Connect(Box::new(connect(Version::V5))));
    let accept = Accept { session_present: true, received, ..Accept::new_session(ClientId::parse("plc-1").unwrap()) };
    assert!(matches!(pair.event(), Some(Event::Connect(_))));
    pair.connection.handle_accepted(pair.now, accept);
    pair.received();
    let repeated = Publish { dup: true, ..publish("a", QoS::ExactlyOnce, 4) };
    pair.send(&Packet::Publish(repeated));
    assert!(pair.event().is_none());
    assert_eq!(pair.received(), [pubrec(4)]);
    pair.send(&pubrel(4));
    pair.note_released();
    assert_eq!(pair.received(), [pubcomp(4, ReasonCode::Success)]);
    assert!(pair.connection.received().is_empty());
}

#[test]
fn a_refused_message_of_qos_2_is_not_kept() {
    let mut pair = Pair::open(Version::V5);
    send_publish(&mut pair, "a", QoS::ExactlyOnce, 4);
    let first = ticket(&mut pair);
    send_publish(&mut pair, "a", QoS::ExactlyOnce, 4);
    pair.connection.handle_published(first, ReasonCode::QuotaExceeded);
    assert_eq!(
        pair.received(),
        [ReasonCode::QuotaExceeded, ReasonCode::PacketIdentifierInUse]
            .map(|reason| Packet::Pubrec(Ack::new(id(4), reason)))
    );
    assert!(pair.connection.received().is_empty());
}

#[test]
fn the_release_of_a_message_that_is_not_known_is_answered() {
    for (version, reason) in
        [(Version::V5, ReasonCode::PacketIdentifierNotFound), (Version::V3_1_1, ReasonCode::Success)]
    {
        let mut pair = Pair::open(version);
        pair.send(&pubrel(11));
        assert_eq!(pair.received(), [pubcomp(11, reason)]);
    }
}

#[test]
fn a_topic_alias_stands_for_its_topic() {
    let mut pair = Pair::open(Version::V5);
    let with_alias = |topic: &str, alias| {
        Packet::Publish(Publish { topic_alias: Some(id(alias)), ..publish(topic, QoS::AtMostOnce, 0) })
    };
    pair.send(&with_alias("plc/1", 1));
    pair.send(&with_alias("", 1));
    pair.send(&with_alias("plc/2", 1));
    pair.send(&with_alias("", 1));
    for topic in ["plc/1", "plc/1", "plc/2", "plc/2"] {
        assert_eq!(pair.published().0, topic);
    }
    pair.send(&with_alias("", 2));
    pair.assert_ended(ReasonCode::ProtocolError);

    let mut pair = Pair::open(Version::V5);
    pair.send(&with_alias("plc/1", Settings::default().topic_alias_max + 1));
    pair.assert_ended(ReasonCode::TopicAliasInvalid);
}

#[test]
fn a_topic_with_a_wildcard_or_an_identifier_of_the_server_is_refused() {
    let mut pair = Pair::open(Version::V5);
    pair.send_bytes(b"\x30\x04\x00\x01+\x00");
    pair.assert_ended(ReasonCode::TopicNameInvalid);

    let mut pair = Pair::open(Version::V5);
    let own = Publish { subscription_ids: vec![1], ..publish("a", QoS::AtMostOnce, 0) };
    pair.send(&Packet::Publish(own));
    pair.assert_ended(ReasonCode::ProtocolError);
}

#[test]
fn what_is_kept_of_a_repeated_topic_does_not_hold_the_buffer() {
    let mut pair = Pair::open(Version::V5);
    let mut topics: Vec<TopicName> = Vec::new();
    for _ in 0..4 {
        send_publish(&mut pair, "plc/1", QoS::AtMostOnce, 0);
        let Some(Event::Publish { publication, .. }) = pair.event() else { panic!("a message was sent") };
        topics.push(publication.topic);
    }
    let starts: Vec<_> = topics.iter().map(|topic| topic.as_bytes().as_ptr()).collect();
    assert_ne!(starts[0], starts[1]);
    assert_eq!(starts[2], starts[3]);
}
