//! Packets from server to client, read strictly: what a server may not send fails the scenario that received it,
//! whatever that scenario is about.

use super::properties::{
    ASSIGNED_CLIENT_ID, AUTHENTICATION_DATA, AUTHENTICATION_METHOD, CONTENT_TYPE, CORRELATION_DATA, Kind,
    MESSAGE_EXPIRY, PACKET_BYTES_MAX, PAYLOAD_FORMAT, Property, QOS_MAX, REASON_STRING, RECEIVE_MAX,
    RESPONSE_INFORMATION, RESPONSE_TOPIC, RETAIN_AVAILABLE, SERVER_KEEP_ALIVE, SERVER_REFERENCE, SESSION_EXPIRY,
    SHARED_AVAILABLE, SUBSCRIPTION_ID, SUBSCRIPTION_ID_AVAILABLE, TOPIC_ALIAS, TOPIC_ALIAS_MAX, USER_PROPERTY, Value,
    WILDCARD_AVAILABLE, kind,
};
use super::write::{Publish, Version};

/// A packet that a server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Connack {
        session_present: bool,
        code: u8,
        properties: Vec<Property>,
    },
    Publish(Publish),
    Ack {
        kind: AckKind,
        id: u16,
        code: u8,
        properties: Vec<Property>,
    },
    Suback {
        id: u16,
        codes: Vec<u8>,
        properties: Vec<Property>,
    },
    /// Without codes in 3.1.1.
    Unsuback {
        id: u16,
        codes: Vec<u8>,
        properties: Vec<Property>,
    },
    Pingresp,
    Disconnect {
        code: u8,
        properties: Vec<Property>,
    },
}

/// The steps of the handshakes of QoS 1 and 2; the number is the packet type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AckKind {
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
}

const CONNACK_CODES_3: &[u8] = &[0, 1, 2, 3, 4, 5];
const CONNACK_CODES: &[u8] = &[
    0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
    0x9C, 0x9D, 0x9F,
];
const PUBACK_CODES: &[u8] = &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const PUBREL_CODES: &[u8] = &[0, 0x92];
const SUBACK_CODES_3: &[u8] = &[0, 1, 2, 0x80];
const SUBACK_CODES: &[u8] = &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
const UNSUBACK_CODES: &[u8] = &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
/// Those that a server may send (table 3-13).
const DISCONNECT_CODES: &[u8] = &[
    0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];
const CONNACK_PROPERTIES: &[u8] = &[
    SESSION_EXPIRY,
    RECEIVE_MAX,
    QOS_MAX,
    RETAIN_AVAILABLE,
    PACKET_BYTES_MAX,
    ASSIGNED_CLIENT_ID,
    TOPIC_ALIAS_MAX,
    REASON_STRING,
    WILDCARD_AVAILABLE,
    SUBSCRIPTION_ID_AVAILABLE,
    SHARED_AVAILABLE,
    SERVER_KEEP_ALIVE,
    RESPONSE_INFORMATION,
    SERVER_REFERENCE,
    AUTHENTICATION_METHOD,
    AUTHENTICATION_DATA,
];
const PUBLISH_PROPERTIES: &[u8] =
    &[PAYLOAD_FORMAT, MESSAGE_EXPIRY, TOPIC_ALIAS, RESPONSE_TOPIC, CORRELATION_DATA, SUBSCRIPTION_ID, CONTENT_TYPE];
/// A server may not send a session expiry in DISCONNECT (section 3.14.2.2.2).
const DISCONNECT_PROPERTIES: &[u8] = &[REASON_STRING, SERVER_REFERENCE];

/// Takes the first whole packet out of `input`, with its length; `None` when it has not arrived whole.
pub(crate) fn take(version: Version, input: &mut Vec<u8>) -> Option<(Packet, usize)> {
    let (&first, rest) = input.split_first()?;
    let (length, length_bytes) = read_variable(rest)?;
    let whole = 1 + length_bytes + length;
    if input.len() < whole {
        return None;
    }
    let body: Vec<u8> = input.drain(..whole).skip(1 + length_bytes).collect();
    Some((read(version, first, &mut Reader(&body)), whole))
}

/// A variable byte integer and its length; the server writes it no longer than it needs to be.
fn read_variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        assert!(index < 4, "a variable byte integer of the server has more than four bytes");
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            assert!(index == 0 || *byte != 0, "a variable byte integer of the server is padded");
            return Some((value, index + 1));
        }
    }
    None
}

fn read(version: Version, first: u8, body: &mut Reader<'_>) -> Packet {
    let (kind, flags) = (first >> 4, first & 0x0F);
    let fixed = if kind == 6 { 2 } else { 0 };
    assert!(kind == 3 || flags == fixed, "the server sent packet type {kind} with flags {flags:04b}");
    let packet = match kind {
        2 => read_connack(version, body),
        3 => read_publish(version, flags, body),
        4 => read_ack(version, AckKind::Puback, PUBACK_CODES, body),
        5 => read_ack(version, AckKind::Pubrec, PUBACK_CODES, body),
        6 => read_ack(version, AckKind::Pubrel, PUBREL_CODES, body),
        7 => read_ack(version, AckKind::Pubcomp, PUBREL_CODES, body),
        9 => {
            let (id, properties) = (body.id(), body.properties(version, &[REASON_STRING]));
            let codes = body.codes(if version.is_5() { SUBACK_CODES } else { SUBACK_CODES_3 });
            Packet::Suback { id, codes, properties }
        }
        11 => {
            let (id, properties) = (body.id(), body.properties(version, &[REASON_STRING]));
            let codes = if version.is_5() { body.codes(UNSUBACK_CODES) } else { Vec::new() };
            Packet::Unsuback { id, codes, properties }
        }
        13 => Packet::Pingresp,
        14 if version.is_5() => {
            let code = if body.0.is_empty() { 0 } else { body.code(DISCONNECT_CODES) };
            let properties =
                if body.0.is_empty() { Vec::new() } else { body.properties(version, DISCONNECT_PROPERTIES) };
            Packet::Disconnect { code, properties }
        }
        _ => panic!("the server sent packet type {kind}, which a client of {} never gets", version.name()),
    };
    assert!(body.0.is_empty(), "{} bytes follow the end of {packet:?}", body.0.len());
    packet
}

fn read_connack(version: Version, body: &mut Reader<'_>) -> Packet {
    let flags = body.u8();
    assert!(flags <= 1, "CONNACK has the flags {flags:08b}");
    let code = body.code(if version.is_5() { CONNACK_CODES } else { CONNACK_CODES_3 });
    let properties = body.properties(version, CONNACK_PROPERTIES);
    Packet::Connack { session_present: flags == 1, code, properties }
}

fn read_publish(version: Version, flags: u8, body: &mut Reader<'_>) -> Packet {
    let (dup, qos, retain) = (flags & 8 != 0, flags >> 1 & 3, flags & 1 != 0);
    assert!(qos < 3 && !(dup && qos == 0), "the server sent PUBLISH with flags {flags:04b}");
    let topic = body.text();
    assert!(!topic.contains(['+', '#']), "the server published to `{topic}`");
    let id = if qos > 0 { body.id() } else { 0 };
    let properties = body.properties(version, PUBLISH_PROPERTIES);
    let payload = std::mem::take(&mut body.0).to_vec();
    Packet::Publish(Publish { dup, qos, retain, topic, id, properties, payload })
}

fn read_ack(version: Version, kind: AckKind, codes: &[u8], body: &mut Reader<'_>) -> Packet {
    let id = body.id();
    let code = if body.0.is_empty() || !version.is_5() { 0 } else { body.code(codes) };
    let properties = if body.0.is_empty() { Vec::new() } else { body.properties(version, &[REASON_STRING]) };
    Packet::Ack { kind, id, code, properties }
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).expect("the server sent a packet that is cut off");
        self.0 = rest;
        taken
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn id(&mut self) -> u16 {
        let id = self.u16();
        assert!(id > 0, "the server sent packet identifier 0");
        id
    }

    fn code(&mut self, allowed: &[u8]) -> u8 {
        let code = self.u8();
        assert!(allowed.contains(&code), "the server sent the reason code {code:#04x}, which the packet may not have");
        code
    }

    fn codes(&mut self, allowed: &[u8]) -> Vec<u8> {
        (0..self.0.len()).map(|_| self.code(allowed)).collect()
    }

    fn binary(&mut self) -> &'a [u8] {
        let length = self.u16();
        self.take(usize::from(length))
    }

    fn text(&mut self) -> String {
        let text = String::from_utf8(self.binary().to_vec()).expect("the server sent a text that is no UTF-8");
        assert!(!text.contains('\0'), "the server sent a text with a NUL");
        text
    }

    fn variable(&mut self) -> usize {
        let (value, bytes) = read_variable(self.0).expect("the server sent a packet that is cut off");
        self.take(bytes);
        value
    }

    /// The block of properties: those that the packet may have, and user properties, which it always may.
    fn properties(&mut self, version: Version, allowed: &[u8]) -> Vec<Property> {
        if !version.is_5() {
            return Vec::new();
        }
        let length = self.variable();
        let mut block = Reader(self.take(length));
        let mut properties: Vec<Property> = Vec::new();
        while !block.0.is_empty() {
            let id = u8::try_from(block.variable()).unwrap();
            let repeats = matches!(id, USER_PROPERTY | SUBSCRIPTION_ID);
            assert!(id == USER_PROPERTY || allowed.contains(&id), "the server sent property {id:#04x} out of place");
            assert!(
                repeats || properties.iter().all(|known| known.id != id),
                "the server sent property {id:#04x} twice"
            );
            let value = match kind(id).expect("a property that exists") {
                Kind::Byte => Value::Number(block.u8().into()),
                Kind::Two => Value::Number(block.u16().into()),
                Kind::Four => Value::Number(u32::from_be_bytes(block.take(4).try_into().unwrap())),
                Kind::Variable => Value::Number(u32::try_from(block.variable()).unwrap()),
                Kind::Text => Value::Text(block.text()),
                Kind::Binary => Value::Binary(block.binary().to_vec()),
                Kind::Pair => Value::Pair(block.text(), block.text()),
            };
            properties.push(Property { id, value });
        }
        properties
    }
}
