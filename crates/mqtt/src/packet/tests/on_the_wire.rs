//! Packets byte by byte, worked out by hand from the specification.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use message::{PublicationProperties, QoS, TopicName};

use super::{decoded, encoded};
use crate::packet::*;

#[track_caller]
fn check(version: Version, packet: &Packet, bytes: &[u8]) {
    assert_eq!(encoded(version, packet), bytes);
    assert_eq!(decoded(version, bytes).as_ref(), Ok(packet));
}

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn connect(version: Version) -> Connect {
    Connect {
        version,
        clean_start: true,
        keep_alive_s: 10,
        properties: ConnectProperties::default(),
        client_id: ByteString::from_static("a"),
        will: None,
        user_name: None,
        password: None,
    }
}

fn publish(topic: &str, payload: &'static [u8]) -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: Some(TopicName::parse(topic).unwrap()),
        packet_id: None,
        topic_alias: None,
        subscription_ids: Vec::new(),
        properties: None,
        payload: Bytes::from_static(payload),
    }
}

#[test]
fn connect_in_its_shortest_form() {
    check(
        Version::V3_1_1,
        &Packet::Connect(Box::new(connect(Version::V3_1_1))),
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01a",
    );
    check(
        Version::V5,
        &Packet::Connect(Box::new(connect(Version::V5))),
        b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01a",
    );
}

#[test]
fn connect_with_all_that_it_can_hold() {
    let connect = Connect {
        clean_start: false,
        properties: ConnectProperties { session_expiry_s: Some(60), ..ConnectProperties::default() },
        will: Some(Will {
            topic: TopicName::parse("w").unwrap(),
            payload: Bytes::from_static(b"gone"),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay_s: 5,
            properties: None,
        }),
        user_name: Some(ByteString::from_static("u")),
        password: Some(Bytes::from_static(b"p")),
        ..connect(Version::V5)
    };
    check(
        Version::V5,
        &Packet::Connect(Box::new(connect)),
        b"\x10\x28\x00\x04MQTT\x05\xec\x00\x0a\x05\x11\x00\x00\x00\x3c\x00\x01a\
          \x05\x18\x00\x00\x00\x05\x00\x01w\x00\x04gone\x00\x01u\x00\x01p",
    );
}

#[test]
fn connack() {
    let refused =
        |reason, properties| Packet::Connack(Box::new(Connack { session_present: false, reason, properties }));
    let no_name = refused(ReasonCode::ClientIdentifierNotValid, ConnackProperties::default());
    check(Version::V3_1_1, &no_name, b"\x20\x02\x00\x02");
    check(Version::V5, &no_name, b"\x20\x03\x00\x85\x00");
    let present = Packet::Connack(Box::new(Connack {
        session_present: true,
        reason: ReasonCode::Success,
        properties: ConnackProperties { topic_alias_max: Some(10), ..ConnackProperties::default() },
    }));
    check(Version::V5, &present, b"\x20\x06\x01\x00\x03\x22\x00\x0a");
}

#[test]
fn publish_in_both_versions() {
    let first = Packet::Publish(publish("a/b", b"hi"));
    check(Version::V3_1_1, &first, b"\x30\x07\x00\x03a/bhi");
    check(Version::V5, &first, b"\x30\x08\x00\x03a/b\x00hi");
    let second = Packet::Publish(Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        packet_id: Some(id(258)),
        ..publish("a", b"")
    });
    check(Version::V3_1_1, &second, b"\x3d\x05\x00\x01a\x01\x02");
}

#[test]
fn publish_with_properties() {
    let properties = PublicationProperties {
        payload_is_utf8: true,
        message_expiry_s: Some(1),
        content_type: Some(ByteString::from_static("t")),
        response_topic: Some(TopicName::parse("r").unwrap()),
        correlation_data: Some(Bytes::from_static(b"c")),
        user_properties: vec![(ByteString::from_static("k"), ByteString::from_static("v"))],
    };
    let packet = Packet::Publish(Publish {
        topic: None,
        topic_alias: Some(id(7)),
        subscription_ids: vec![1, 200],
        properties: Some(Box::new(properties)),
        ..publish("a", b"!")
    });
    check(
        Version::V5,
        &packet,
        b"\x30\x26\x00\x00\x22\x23\x00\x07\x02\x00\x00\x00\x01\x0b\x01\x0b\xc8\x01\x01\x01\x03\x00\x01t\
          \x08\x00\x01r\x09\x00\x01c\x26\x00\x01k\x00\x01v!",
    );
}

#[test]
fn acknowledgements_leave_out_what_is_plain() {
    let plain = Packet::Puback(Ack::new(id(5), ReasonCode::Success));
    check(Version::V3_1_1, &plain, b"\x40\x02\x00\x05");
    check(Version::V5, &plain, b"\x40\x02\x00\x05");
    check(Version::V5, &Packet::Pubrel(Ack::new(id(5), ReasonCode::PacketIdentifierNotFound)), b"\x62\x03\x00\x05\x92");
    let properties = AckProperties { reason_string: Some(ByteString::from_static("no")), ..AckProperties::default() };
    let told = Ack { packet_id: id(5), reason: ReasonCode::NotAuthorized, properties: Some(Box::new(properties)) };
    check(Version::V5, &Packet::Pubrec(told), b"\x50\x09\x00\x05\x87\x05\x1f\x00\x02no");
    // What may be left out may also stand.
    let long = Packet::Pubcomp(Ack::new(id(5), ReasonCode::Success));
    assert_eq!(decoded(Version::V5, b"\x70\x03\x00\x05\x00"), Ok(long.clone()));
    assert_eq!(decoded(Version::V5, b"\x70\x04\x00\x05\x00\x00"), Ok(long));
}

#[test]
fn subscriptions() {
    let options = SubscribeOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: SubscribeProperties { subscription_id: SubscriptionId::new(9), ..SubscribeProperties::default() },
        filters: vec![SubscribeFilter { filter: ByteString::from_static("a/#"), options }],
    });
    check(Version::V5, &subscribe, b"\x82\x0b\x00\x01\x02\x0b\x09\x00\x03a/#\x2d");
    let reasons = vec![ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError];
    let suback = Packet::Suback(Suback { packet_id: id(1), properties: AckProperties::default(), reasons });
    check(Version::V3_1_1, &suback, b"\x90\x04\x00\x01\x01\x80");
    check(Version::V5, &suback, b"\x90\x05\x00\x01\x00\x01\x80");
    let unsubscribe = Packet::Unsubscribe(Unsubscribe {
        packet_id: id(2),
        properties: UnsubscribeProperties::default(),
        filters: vec![ByteString::from_static("a")],
    });
    check(Version::V3_1_1, &unsubscribe, b"\xa2\x05\x00\x02\x00\x01a");
    let unsuback =
        |reasons| Packet::Unsuback(Unsuback { packet_id: id(2), properties: AckProperties::default(), reasons });
    check(Version::V3_1_1, &unsuback(vec![]), b"\xb0\x02\x00\x02");
    check(Version::V5, &unsuback(vec![ReasonCode::NoSubscriptionExisted]), b"\xb0\x04\x00\x02\x00\x11");
}

#[test]
fn the_packets_without_content() {
    for version in super::VERSIONS {
        check(version, &Packet::Pingreq, b"\xc0\x00");
        check(version, &Packet::Pingresp, b"\xd0\x00");
        check(version, &Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success))), b"\xe0\x00");
    }
    let with_will = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::DisconnectWithWill)));
    check(Version::V5, &with_will, b"\xe0\x01\x04");
    let auth = Auth { reason: ReasonCode::Success, properties: AuthProperties::default() };
    check(Version::V5, &Packet::Auth(Box::new(auth)), b"\xf0\x00");
}

#[test]
fn texts_and_payloads_share_the_bytes_that_were_received() {
    let mut input = BytesMut::from(&b"\x30\x08\x00\x03a/b\x00hi"[..]);
    let start = input.as_ptr() as usize;
    let Ok(Some(Packet::Publish(publish))) = Packet::decode(Version::V5, &mut input, 100) else {
        panic!("a PUBLISH was sent");
    };
    assert_eq!(publish.topic.unwrap().as_bytes().as_ptr() as usize - start, 4);
    assert_eq!(publish.payload.as_ptr() as usize - start, 8);
}

#[test]
fn a_field_that_cannot_be_written_refuses_the_packet() {
    let long = ByteString::from("x".repeat(65_536));
    let mut out = BytesMut::new();
    let packet = Packet::Connect(Box::new(Connect { client_id: long, ..connect(Version::V5) }));
    assert!(packet.encode(Version::V5, &mut out, usize::MAX).is_err());
    assert!(out.is_empty());
}
