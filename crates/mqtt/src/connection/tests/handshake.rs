//! From the first packet to CONNACK.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use message::{ClientId, QoS, TopicName};

use super::pair::{Pair, connect};
use super::{VERSIONS, send_publish};
use crate::connection::{Accept, CloseCause, Event, Settings, Violation};
use crate::packet::{Connack, Connect, ConnectProperties, DecodeError, Packet, PacketType, ReasonCode, Version, Will};

fn ask(connect: Connect) -> Pair {
    let mut pair = Pair::new(Settings::default());
    pair.version = connect.version;
    pair.send(&Packet::Connect(Box::new(connect)));
    pair
}

fn connack(pair: &mut Pair) -> Connack {
    match pair.received().pop() {
        Some(Packet::Connack(connack)) => *connack,
        other => panic!("CONNECT is answered, not {other:?}"),
    }
}

#[test]
fn a_client_is_accepted_under_its_name() {
    for version in VERSIONS {
        let mut pair = ask(connect(version));
        assert_eq!(pair.connection.client_id(), None);
        pair.accept();
        assert!(pair.connection.is_open());
        assert_eq!(pair.connection.client_id().map(ClientId::as_str), Some("plc-1"));
        assert_eq!(pair.connection.version(), version);
        assert_eq!(pair.connection.keep_alive_s(), 60);
        let connack = connack(&mut pair);
        assert_eq!(connack.reason, ReasonCode::Success);
        assert!(!connack.session_present);
        assert_eq!(connack.properties.assigned_client_id, None);
    }
}

#[test]
fn the_limits_are_told_to_the_client() {
    let mut pair = ask(connect(Version::V5));
    pair.accept();
    let properties = connack(&mut pair).properties;
    let settings = Settings::default();
    assert_eq!(properties.receive_max, NonZeroU16::new(settings.receive_max));
    assert_eq!(properties.packet_bytes_max, NonZeroU32::new(settings.packet_bytes_max as u32));
    assert_eq!(properties.topic_alias_max, Some(settings.topic_alias_max));
    assert_eq!(properties.server_keep_alive_s, None);
}

#[test]
fn the_request_says_all_that_the_client_asked() {
    let will = Will {
        topic: TopicName::parse("gone").unwrap(),
        payload: Bytes::from_static(b"1"),
        qos: QoS::AtLeastOnce,
        retain: true,
        delay_s: 30,
        properties: None,
    };
    let mut pair = ask(Connect {
        clean_start: false,
        properties: ConnectProperties { session_expiry_s: Some(3600), ..ConnectProperties::default() },
        will: Some(will.clone()),
        user_name: Some(ByteString::from_static("me")),
        password: Some(Bytes::from_static(b"secret")),
        ..connect(Version::V5)
    });
    let Some(Event::Connect(request)) = pair.event() else { panic!("the client asks to be connected") };
    assert!(!request.clean_start);
    assert_eq!(request.session_expiry_s, 3600);
    assert_eq!(request.will, Some(will));
    assert_eq!(request.user_name.as_deref(), Some("me"));
    assert_eq!(request.password.as_deref(), Some(&b"secret"[..]));
}

#[test]
fn a_session_outlives_the_connection_as_the_version_says() {
    for (version, clean_start, property, expected) in [
        (Version::V3_1_1, true, None, 0),
        (Version::V3_1_1, false, None, u32::MAX),
        (Version::V5, true, None, 0),
        (Version::V5, false, None, 0),
        (Version::V5, true, Some(7), 7),
    ] {
        let properties = ConnectProperties { session_expiry_s: property, ..ConnectProperties::default() };
        let mut pair = ask(Connect { clean_start, properties, ..connect(version) });
        let Some(Event::Connect(request)) = pair.event() else { panic!("the client asks to be connected") };
        assert_eq!(request.session_expiry_s, expected, "{version} {clean_start} {property:?}");
    }
}

#[test]
fn what_the_driver_grants_instead_is_told() {
    let mut pair = ask(connect(Version::V5));
    assert!(matches!(pair.event(), Some(Event::Connect(_))));
    let accept = Accept {
        session_present: true,
        keep_alive_s: Some(10),
        session_expiry_s: Some(5),
        ..Accept::new_session(ClientId::parse("plc-1").unwrap())
    };
    pair.connection.handle_accepted(pair.now, accept);
    let connack = connack(&mut pair);
    assert!(connack.session_present);
    assert_eq!(connack.properties.server_keep_alive_s, Some(10));
    assert_eq!(connack.properties.session_expiry_s, Some(5));
    assert_eq!(pair.connection.keep_alive_s(), 10);
}

#[test]
fn a_client_without_a_name_is_told_the_one_assigned() {
    for version in VERSIONS {
        let mut pair = ask(Connect { client_id: ByteString::new(), ..connect(version) });
        pair.accept();
        let told = connack(&mut pair).properties.assigned_client_id;
        assert_eq!(told.as_deref(), (version == Version::V5).then_some("assigned"));
        assert_eq!(pair.connection.client_id().map(ClientId::as_str), Some("assigned"));
    }
}

#[test]
fn a_persistent_session_needs_a_name_in_3_1_1() {
    let mut pair = ask(Connect { client_id: ByteString::new(), clean_start: false, ..connect(Version::V3_1_1) });
    assert_eq!(connack(&mut pair).reason, ReasonCode::ClientIdentifierNotValid);
    assert_eq!(pair.closed().cause, CloseCause::Violation(Violation::ClientIdMissing));
}

#[test]
fn nothing_is_read_until_the_driver_has_decided() {
    let mut pair = ask(connect(Version::V5));
    assert!(!pair.connection.wants_bytes());
    send_publish(&mut pair, "a", QoS::AtMostOnce, 0);
    assert!(matches!(pair.event(), Some(Event::Connect(_))));
    assert!(pair.event().is_none());
    pair.connection.handle_accepted(pair.now, Accept::new_session(ClientId::parse("plc-1").unwrap()));
    pair.read();
    assert_eq!(pair.published().0, "a");
}

#[test]
fn a_refusal_says_the_reason_and_ends_the_connection() {
    for (version, reason, told) in [
        (Version::V5, ReasonCode::NotAuthorized, Some(ReasonCode::NotAuthorized)),
        (Version::V5, ReasonCode::BadUserNameOrPassword, Some(ReasonCode::BadUserNameOrPassword)),
        (Version::V3_1_1, ReasonCode::NotAuthorized, Some(ReasonCode::NotAuthorized)),
        (Version::V3_1_1, ReasonCode::ServerBusy, Some(ReasonCode::ServerUnavailable)),
        (Version::V3_1_1, ReasonCode::UseAnotherServer, None),
    ] {
        let mut pair = ask(connect(version));
        assert!(matches!(pair.event(), Some(Event::Connect(_))));
        pair.connection.handle_refused(reason);
        let received = pair.received().pop().map(|packet| match packet {
            Packet::Connack(connack) => connack.reason,
            other => panic!("a refusal is a CONNACK, not {other:?}"),
        });
        assert_eq!(received, told);
        let closed = pair.closed();
        assert_eq!(closed.cause, CloseCause::ByServer(reason));
        assert!(!closed.will_wanted);
    }
}

#[test]
fn the_first_packet_is_connect_and_the_only_one() {
    for version in VERSIONS {
        let mut pair = Pair::new(Settings::default());
        pair.version = version;
        pair.send(&Packet::Pingreq);
        assert_eq!(pair.received(), []);
        let missing = Violation::ConnectMissing { packet: PacketType::Pingreq };
        assert_eq!(pair.closed().cause, CloseCause::Violation(missing));

        let mut pair = Pair::open(version);
        pair.send(&Packet::Connect(Box::new(connect(version))));
        pair.assert_ended(ReasonCode::ProtocolError);
    }
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_in_its_own_form() {
    for (bytes, answer) in [
        (&b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01a"[..], &b"\x20\x02\x00\x01"[..]),
        (b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x0a\x00\x01a", b"\x20\x02\x00\x01"),
        (b"\x10\x0d\x00\x04HTTP\x04\x02\x00\x0a\x00\x01a", b""),
    ] {
        let mut pair = Pair::new(Settings::default());
        pair.send_bytes(bytes);
        assert_eq!(&pair.connection.transmit()[..], answer);
        let CloseCause::Violation(violation) = pair.closed().cause else { panic!("the client is at fault") };
        assert!(matches!(violation, Violation::Decode(DecodeError::UnsupportedProtocol { .. })));
    }
    let mut pair = Pair::new(Settings::default());
    pair.send_bytes(b"\x10\x0e\x00\x04MQTT\x06\x02\x00\x0a\x00\x00\x01a");
    assert_eq!(connack(&mut pair).reason, ReasonCode::UnsupportedProtocolVersion);
}

#[test]
fn a_broken_connect_is_told_so_in_5_0_only() {
    let mut pair = Pair::new(Settings::default());
    pair.send_bytes(b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x0a\x00\x00\x01a");
    assert_eq!(connack(&mut pair).reason, ReasonCode::MalformedPacket);
    assert!(!pair.closed().will_wanted);

    let mut pair = Pair::new(Settings::default());
    pair.send_bytes(b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x0a\x00\x01a");
    assert_eq!(pair.received(), []);
    assert!(!pair.closed().will_wanted);
}

#[test]
fn a_refusal_is_no_larger_than_the_client_takes() {
    let told = |bytes: &[u8]| {
        let mut pair = Pair::new(Settings::default());
        pair.send_bytes(bytes);
        let length = pair.connection.transmit().len();
        (connack(&mut pair).properties.reason_string.is_some(), length)
    };
    // A will topic with a wildcard, which stands behind the properties; and what is wrong before they are read.
    let (is_told, _) = told(b"\x10\x15\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a\x00\x00\x01#\x00\x01w");
    assert!(is_told, "a client that takes any packet is told what is wrong");
    let (is_told, length) =
        told(b"\x10\x1a\x00\x04MQTT\x05\x06\x00\x0a\x05\x27\x00\x00\x00\x10\x00\x01a\x00\x00\x01#\x00\x01w");
    assert!(!is_told && length <= 16, "{length} bytes for a client that takes 16");
    for unread in [
        &b"\x10\x0e\x00\x04MQTT\x05\x01\x00\x0a\x00\x00\x01a"[..],
        b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x0a\x01\xff\x00\x01a",
    ] {
        let (is_told, _) = told(unread);
        assert!(!is_told, "what the client takes is not known");
    }
}

#[test]
fn enhanced_authentication_is_refused() {
    let properties = ConnectProperties {
        authentication_method: Some(ByteString::from_static("SCRAM-SHA-1")),
        ..ConnectProperties::default()
    };
    let mut pair = ask(Connect { properties, ..connect(Version::V5) });
    assert_eq!(connack(&mut pair).reason, ReasonCode::BadAuthenticationMethod);
    assert_eq!(pair.closed().cause, CloseCause::Violation(Violation::AuthenticationMethod));

    let mut pair = Pair::open(Version::V5);
    pair.send_bytes(b"\xf0\x00");
    pair.assert_ended(ReasonCode::ProtocolError);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let mut pair = Pair::new(Settings::default());
    let deadline = Settings::default().connect_deadline;
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now.moment + deadline));
    pair.advance(deadline - Duration::from_millis(1));
    assert!(!pair.connection.is_closed());
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.received(), []);
    assert_eq!(pair.closed().cause, CloseCause::ConnectDeadline);
    assert_eq!(pair.connection.poll_timeout(), None);
}

#[test]
fn a_client_that_is_too_small_for_its_answer_is_not_left_waiting() {
    let properties = ConnectProperties { packet_bytes_max: NonZeroU32::new(10), ..ConnectProperties::default() };
    let mut pair = ask(Connect { properties, ..connect(Version::V5) });
    pair.accept();
    assert_eq!(pair.received(), []);
    let too_large = Violation::AnswerTooLarge { packet: PacketType::Connack };
    assert_eq!(pair.closed().cause, CloseCause::Violation(too_large));
}
