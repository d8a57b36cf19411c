//! Everything that can be wrong with a packet, and the reason code that the specification gives for it.

use bytes::BytesMut;
use message::limits;

use super::decoded;
use crate::packet::{DecodeError, Packet, ReasonCode, Version};
use ReasonCode::{
    MalformedPacket, PacketTooLarge, ProtocolError, QuotaExceeded, TopicAliasInvalid, TopicNameInvalid,
    UnsupportedProtocolVersion,
};
use Version::{V3_1_1, V5};

#[track_caller]
fn check(version: Version, cases: &[(&[u8], ReasonCode, &str)]) {
    for (bytes, reason, what) in cases {
        match decoded(version, bytes) {
            Ok(packet) => panic!("{what}: read as {packet:?}"),
            Err(error) => assert_eq!(error.reason(), *reason, "{what}: {error}"),
        }
    }
}

#[test]
fn fixed_headers() {
    check(
        V5,
        &[
            (b"\x00\x00", MalformedPacket, "reserved type"),
            (b"\x11\x00", MalformedPacket, "flags of CONNECT"),
            (b"\x80\x00", MalformedPacket, "flags of SUBSCRIBE"),
            (b"\x60\x02\x00\x01", MalformedPacket, "flags of PUBREL"),
            (b"\xc0\xff\xff\xff\xff", MalformedPacket, "remaining length of five bytes"),
            (b"\xc0\x80\x00", MalformedPacket, "remaining length longer than needed"),
            (b"\x30\x05\x00\x01a\x80\x00", MalformedPacket, "properties length longer than needed"),
            (b"\xc0\x01\x00", MalformedPacket, "PINGREQ with a body"),
            (b"\xd0\x01\x00", MalformedPacket, "PINGRESP with a body"),
        ],
    );
    check(V3_1_1, &[(b"\xf0\x00", MalformedPacket, "AUTH")]);
    assert_eq!(decoded(V3_1_1, b"\xc0\x80\x00"), Ok(Packet::Pingreq));
}

#[test]
fn a_packet_above_the_limit_is_refused_before_its_body_arrives() {
    let mut input = BytesMut::from(&b"\x30\xff\xff\xff\x7f"[..]);
    let error = Packet::decode(V5, &mut input, 1000).unwrap_err();
    assert_eq!(error, DecodeError::PacketTooLarge { bytes: 268_435_460, bytes_max: 1000 });
    assert_eq!(error.reason(), PacketTooLarge);
    let exact = &b"\x30\x05\x00\x03a/b"[..];
    assert!(Packet::decode(V3_1_1, &mut BytesMut::from(exact), 7).is_ok());
    assert!(Packet::decode(V3_1_1, &mut BytesMut::from(exact), 6).is_err());
}

#[test]
fn connect() {
    check(
        V5,
        &[
            (b"\x10\x00", MalformedPacket, "nothing"),
            (b"\x10\x0c\x00\x06MQIsdp\x03\x02\x00\x0a", UnsupportedProtocolVersion, "protocol 3.1"),
            (b"\x10\x0a\x00\x04MQTT\x06\x02\x00\x0a", UnsupportedProtocolVersion, "level 6"),
            (b"\x10\x0a\x00\x04mqtt\x05\x02\x00\x0a", UnsupportedProtocolVersion, "another name"),
            (b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x0a\x00\x00\x01a", MalformedPacket, "reserved flag"),
            (b"\x10\x0e\x00\x04MQTT\x05\x0a\x00\x0a\x00\x00\x01a", MalformedPacket, "will QoS without will"),
            (b"\x10\x0e\x00\x04MQTT\x05\x22\x00\x0a\x00\x00\x01a", MalformedPacket, "will retain without will"),
            (b"\x10\x0e\x00\x04MQTT\x05\x1e\x00\x0a\x00\x00\x01a", MalformedPacket, "will QoS 3"),
            (b"\x10\x0e\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a", MalformedPacket, "will that is missing"),
            (b"\x10\x0e\x00\x04MQTT\x05\x82\x00\x0a\x00\x00\x01a", MalformedPacket, "user name that is missing"),
            (b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01aa", MalformedPacket, "bytes behind the end"),
            (b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01\xff", MalformedPacket, "client id not UTF-8"),
            (b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x03\xed\xa0\x80", MalformedPacket, "surrogate"),
            (b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01\x00", MalformedPacket, "NUL"),
            (b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x03\x21\x00\x00\x00\x01a", ProtocolError, "receive maximum 0"),
            (
                b"\x10\x13\x00\x04MQTT\x05\x02\x00\x0a\x05\x27\x00\x00\x00\x00\x00\x01a",
                ProtocolError,
                "maximum packet size 0",
            ),
            (b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0a\x02\x17\x02\x00\x01a", ProtocolError, "boolean of 2"),
            (
                b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0a\x04\x17\x01\x17\x01\x00\x01a",
                ProtocolError,
                "property that stands twice",
            ),
            (b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x03\x13\x00\x01\x00\x01a", MalformedPacket, "foreign property"),
            (b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0a\x02\x7f\x00\x00\x01a", MalformedPacket, "unknown property"),
            (b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0a\x02\x21\x00\x00\x01a", MalformedPacket, "property cut short"),
            (b"\x10\x0b\x00\x04MQTT\x05\x02\x00\x0a\x09", MalformedPacket, "properties cut short"),
            (
                b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0a\x04\x16\x00\x01x\x00\x01a",
                ProtocolError,
                "authentication data alone",
            ),
        ],
    );
    check(V3_1_1, &[(b"\x10\x10\x00\x04MQTT\x04\x42\x00\x0a\x00\x01a\x00\x01p", MalformedPacket, "password alone")]);
}

#[test]
fn wills() {
    check(
        V5,
        &[
            (b"\x10\x14\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a\x00\x00\x01+\x00\x00", TopicNameInvalid, "wildcard"),
            (b"\x10\x13\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a\x00\x00\x00\x00\x00", ProtocolError, "no topic"),
            (
                b"\x10\x17\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a\x03\x23\x00\x01\x00\x01w\x00\x00",
                MalformedPacket,
                "topic alias",
            ),
        ],
    );
}

#[test]
fn connack() {
    check(
        V5,
        &[
            (b"\x20\x03\x02\x00\x00", MalformedPacket, "reserved flag"),
            (b"\x20\x03\x01\x87\x00", ProtocolError, "session present on refusal"),
            (b"\x20\x03\x00\x7f\x00", MalformedPacket, "unknown reason"),
            (b"\x20\x03\x00\x8e\x00", ProtocolError, "foreign reason"),
            (b"\x20\x05\x00\x00\x02\x24\x02", ProtocolError, "maximum QoS 2"),
        ],
    );
    check(V3_1_1, &[(b"\x20\x02\x00\x06", MalformedPacket, "unknown return code")]);
}

#[test]
fn publish() {
    check(
        V5,
        &[
            (b"\x36\x06\x00\x01a\x00\x01\x00", MalformedPacket, "QoS 3"),
            (b"\x38\x04\x00\x01a\x00", MalformedPacket, "duplicate of QoS 0"),
            (b"\x32\x06\x00\x01a\x00\x00\x00", ProtocolError, "packet identifier 0"),
            (b"\x30\x03\x00\x00\x00", ProtocolError, "no topic and no alias"),
            (b"\x30\x04\x00\x01+\x00", TopicNameInvalid, "wildcard +"),
            (b"\x30\x04\x00\x01#\x00", TopicNameInvalid, "wildcard #"),
            (b"\x30\x04\x00\x01\x00\x00", MalformedPacket, "NUL in the topic"),
            (b"\x30\x04\x00\x01\xff\x00", MalformedPacket, "topic not UTF-8"),
            (b"\x30\x03\x00\x05a", MalformedPacket, "topic cut short"),
            (b"\x30\x01\x00", MalformedPacket, "length of the topic cut short"),
            (b"\x32\x04\x00\x01a\x00", MalformedPacket, "packet identifier cut short"),
            (b"\x30\x03\x00\x01a", MalformedPacket, "properties missing"),
            (b"\x30\x07\x00\x01a\x03\x23\x00\x00", TopicAliasInvalid, "topic alias 0"),
            (b"\x30\x0a\x00\x01a\x06\x23\x00\x01\x23\x00\x01", ProtocolError, "topic alias twice"),
            (b"\x30\x06\x00\x01a\x02\x0b\x00", ProtocolError, "subscription identifier 0"),
            (b"\x30\x06\x00\x01a\x02\x01\x02", ProtocolError, "payload format 2"),
            (b"\x30\x08\x00\x01a\x04\x01\x00\x01\x00", ProtocolError, "payload format twice"),
            (b"\x30\x08\x00\x01a\x04\x08\x00\x01+", TopicNameInvalid, "wildcard in the response topic"),
            (b"\x30\x06\x00\x01a\x02\x17\x00", MalformedPacket, "foreign property"),
            (b"\x30\x06\x00\x01a\x02\x7f\x00", MalformedPacket, "unknown property"),
        ],
    );
    check(V3_1_1, &[(b"\x30\x02\x00\x00", ProtocolError, "no topic")]);
}

#[test]
fn acknowledgements() {
    for first in [b'\x40', b'\x50', b'\x62', b'\x70'] {
        check(
            V5,
            &[
                (&[first, 1, 0], MalformedPacket, "cut short"),
                (&[first, 2, 0, 0], ProtocolError, "packet identifier 0"),
                (&[first, 3, 0, 1, 0x7f], MalformedPacket, "unknown reason"),
                (&[first, 3, 0, 1, 0x8e], ProtocolError, "foreign reason"),
                (&[first, 4, 0, 1, 0, 1], MalformedPacket, "properties cut short"),
                (&[first, 5, 0, 1, 0, 0, 0], MalformedPacket, "bytes behind the end"),
                (&[first, 7, 0, 1, 0, 3, 0x23, 0, 1], MalformedPacket, "foreign property"),
            ],
        );
        check(V3_1_1, &[(&[first, 3, 0, 1, 0], MalformedPacket, "reason code")]);
    }
}

#[test]
fn subscribe() {
    check(
        V5,
        &[
            (b"\x82\x03\x00\x01\x00", ProtocolError, "no filter"),
            (b"\x82\x07\x00\x00\x00\x00\x01a\x00", ProtocolError, "packet identifier 0"),
            (b"\x82\x07\x00\x01\x00\x00\x01a\x03", ProtocolError, "QoS 3"),
            (b"\x82\x07\x00\x01\x00\x00\x01a\x30", ProtocolError, "retain handling 3"),
            (b"\x82\x07\x00\x01\x00\x00\x01a\x40", MalformedPacket, "reserved bit"),
            (b"\x82\x06\x00\x01\x00\x00\x01a", MalformedPacket, "options missing"),
            (b"\x82\x10\x00\x01\x00\x00\x0a$share/g/a\x04", ProtocolError, "no local on a shared subscription"),
            (b"\x82\x09\x00\x01\x02\x0b\x00\x00\x01a\x00", ProtocolError, "subscription identifier 0"),
            (b"\x82\x0b\x00\x01\x04\x0b\x01\x0b\x02\x00\x01a\x00", ProtocolError, "subscription identifier twice"),
        ],
    );
    check(
        V3_1_1,
        &[
            (b"\x82\x02\x00\x01", ProtocolError, "no filter"),
            (b"\x82\x06\x00\x01\x00\x01a\x04", MalformedPacket, "reserved bit"),
        ],
    );
}

#[test]
fn the_rest() {
    check(
        V5,
        &[
            (b"\x90\x03\x00\x01\x00", MalformedPacket, "SUBACK without reasons"),
            (b"\xa2\x03\x00\x01\x00", ProtocolError, "UNSUBSCRIBE without filters"),
            (b"\xb0\x03\x00\x01\x00", MalformedPacket, "UNSUBACK without reasons"),
            (b"\xe0\x01\x7f", MalformedPacket, "DISCONNECT with an unknown reason"),
            (b"\xe0\x01\x10", ProtocolError, "DISCONNECT with a foreign reason"),
            (b"\xf0\x01\x18", MalformedPacket, "AUTH without properties"),
        ],
    );
    check(
        V3_1_1,
        &[
            (b"\x90\x03\x00\x01\x87", MalformedPacket, "SUBACK with a reason of 5.0"),
            (b"\xb0\x03\x00\x01\x00", MalformedPacket, "UNSUBACK with a reason"),
            (b"\xe0\x01\x00", MalformedPacket, "DISCONNECT with a reason"),
        ],
    );
}

#[test]
fn a_packet_cannot_hold_any_number_of_things() {
    let mut user_properties = Vec::new();
    for _ in 0..=limits::MQTT_USER_PROPERTIES_MAX {
        user_properties.extend_from_slice(b"\x26\x00\x00\x00\x00");
    }
    let mut body = BytesMut::from(&b"\x00\x01a"[..]);
    crate::packet::fixed_header::put_variable_int(&mut body, user_properties.len());
    body.extend_from_slice(&user_properties);
    let mut packet = BytesMut::from(&b"\x30"[..]);
    crate::packet::fixed_header::put_variable_int(&mut packet, body.len());
    packet.extend_from_slice(&body);
    check(V5, &[(&packet, QuotaExceeded, "user properties")]);
}
