//! Properties of MQTT 5.0 (table 2-4), as the scenarios write and read them: an identifier and a value of its kind.

use super::write::Body;

pub(crate) const PAYLOAD_FORMAT: u8 = 0x01;
pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
pub(crate) const CONTENT_TYPE: u8 = 0x03;
pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
pub(crate) const CORRELATION_DATA: u8 = 0x09;
pub(crate) const SUBSCRIPTION_ID: u8 = 0x0B;
pub(crate) const SESSION_EXPIRY: u8 = 0x11;
pub(crate) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
pub(crate) const REQUEST_PROBLEM: u8 = 0x17;
pub(crate) const WILL_DELAY: u8 = 0x18;
pub(crate) const REQUEST_RESPONSE: u8 = 0x19;
pub(crate) const RESPONSE_INFORMATION: u8 = 0x1A;
pub(crate) const SERVER_REFERENCE: u8 = 0x1C;
pub(crate) const REASON_STRING: u8 = 0x1F;
pub(crate) const RECEIVE_MAX: u8 = 0x21;
pub(crate) const TOPIC_ALIAS_MAX: u8 = 0x22;
pub(crate) const TOPIC_ALIAS: u8 = 0x23;
pub(crate) const QOS_MAX: u8 = 0x24;
pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
pub(crate) const USER_PROPERTY: u8 = 0x26;
pub(crate) const PACKET_BYTES_MAX: u8 = 0x27;
pub(crate) const WILDCARD_AVAILABLE: u8 = 0x28;
pub(crate) const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
pub(crate) const SHARED_AVAILABLE: u8 = 0x2A;

/// How the value of a property is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Byte,
    Two,
    Four,
    Variable,
    Text,
    Binary,
    Pair,
}

/// Every property with its kind.
pub(crate) const KINDS: &[(u8, Kind)] = &[
    (PAYLOAD_FORMAT, Kind::Byte),
    (MESSAGE_EXPIRY, Kind::Four),
    (CONTENT_TYPE, Kind::Text),
    (RESPONSE_TOPIC, Kind::Text),
    (CORRELATION_DATA, Kind::Binary),
    (SUBSCRIPTION_ID, Kind::Variable),
    (SESSION_EXPIRY, Kind::Four),
    (ASSIGNED_CLIENT_ID, Kind::Text),
    (SERVER_KEEP_ALIVE, Kind::Two),
    (AUTHENTICATION_METHOD, Kind::Text),
    (AUTHENTICATION_DATA, Kind::Binary),
    (REQUEST_PROBLEM, Kind::Byte),
    (WILL_DELAY, Kind::Four),
    (REQUEST_RESPONSE, Kind::Byte),
    (RESPONSE_INFORMATION, Kind::Text),
    (SERVER_REFERENCE, Kind::Text),
    (REASON_STRING, Kind::Text),
    (RECEIVE_MAX, Kind::Two),
    (TOPIC_ALIAS_MAX, Kind::Two),
    (TOPIC_ALIAS, Kind::Two),
    (QOS_MAX, Kind::Byte),
    (RETAIN_AVAILABLE, Kind::Byte),
    (USER_PROPERTY, Kind::Pair),
    (PACKET_BYTES_MAX, Kind::Four),
    (WILDCARD_AVAILABLE, Kind::Byte),
    (SUBSCRIPTION_ID_AVAILABLE, Kind::Byte),
    (SHARED_AVAILABLE, Kind::Byte),
];

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of one, two or four bytes, or of as many as it needs.
    Number(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

/// A property of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) id: u8,
    pub(crate) value: Value,
}

impl Property {
    pub(crate) fn number(id: u8, value: u32) -> Self {
        Self { id, value: Value::Number(value) }
    }

    pub(crate) fn text(id: u8, value: &str) -> Self {
        Self { id, value: Value::Text(value.to_owned()) }
    }

    pub(crate) fn binary(id: u8, value: &[u8]) -> Self {
        Self { id, value: Value::Binary(value.to_vec()) }
    }

    pub(crate) fn user(name: &str, value: &str) -> Self {
        Self { id: USER_PROPERTY, value: Value::Pair(name.to_owned(), value.to_owned()) }
    }

    /// A property of this identifier with a value that is allowed everywhere where the property is.
    pub(crate) fn example(id: u8) -> Self {
        match kind(id) {
            Some(Kind::Text) => Self::text(id, "t"),
            Some(Kind::Binary) => Self::binary(id, b"b"),
            Some(Kind::Pair) => Self::user("k", "v"),
            _ => Self::number(id, 1),
        }
    }

    pub(crate) fn put(&self, body: Body) -> Body {
        let body = body.u8(self.id);
        match (&self.value, kind(self.id)) {
            (Value::Number(number), Some(Kind::Byte)) => body.u8(u8::try_from(*number).unwrap()),
            (Value::Number(number), Some(Kind::Two)) => body.u16(u16::try_from(*number).unwrap()),
            (Value::Number(number), Some(Kind::Four)) => body.u32(*number),
            (Value::Number(number), _) => body.variable(*number as usize),
            (Value::Text(text), _) => body.text(text),
            (Value::Binary(bytes), _) => body.binary(bytes),
            (Value::Pair(name, value), _) => body.text(name).text(value),
        }
    }
}

pub(crate) fn kind(id: u8) -> Option<Kind> {
    KINDS.iter().find(|(known, _)| *known == id).map(|(_, kind)| *kind)
}

/// Looking into a list of properties.
pub(crate) trait Properties {
    fn get_number(&self, id: u8) -> Option<u32>;
    fn get_text(&self, id: u8) -> Option<&str>;
    fn get_binary(&self, id: u8) -> Option<&[u8]>;
    /// All values of a property that may stand more than once, in their order.
    fn numbers(&self, id: u8) -> Vec<u32>;
    fn users(&self) -> Vec<(&str, &str)>;
}

impl Properties for [Property] {
    fn get_number(&self, id: u8) -> Option<u32> {
        self.numbers(id).first().copied()
    }

    fn get_text(&self, id: u8) -> Option<&str> {
        self.iter().find_map(|property| match &property.value {
            Value::Text(text) if property.id == id => Some(text.as_str()),
            _ => None,
        })
    }

    fn get_binary(&self, id: u8) -> Option<&[u8]> {
        self.iter().find_map(|property| match &property.value {
            Value::Binary(bytes) if property.id == id => Some(bytes.as_slice()),
            _ => None,
        })
    }

    fn numbers(&self, id: u8) -> Vec<u32> {
        let of_id = self.iter().filter(|property| property.id == id);
        of_id
            .filter_map(|property| if let Value::Number(number) = property.value { Some(number) } else { None })
            .collect()
    }

    fn users(&self) -> Vec<(&str, &str)> {
        let pairs = self.iter().filter_map(|property| match &property.value {
            Value::Pair(name, value) => Some((name.as_str(), value.as_str())),
            _ => None,
        });
        pairs.collect()
    }
}
