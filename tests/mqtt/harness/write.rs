//! Packets from client to server, put together byte by byte. Written apart from the product's codec, so that a fault
//! there is not mirrored here; and nothing is refused, so that a scenario can write what is forbidden.

use super::properties::{Property, SESSION_EXPIRY};

/// The protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V3,
    V5,
}

impl Version {
    pub(crate) fn is_5(self) -> bool {
        self == Self::V5
    }

    fn level(self) -> u8 {
        if self.is_5() { 5 } else { 4 }
    }

    /// As the specification is called.
    pub(crate) fn name(self) -> &'static str {
        if self.is_5() { "5.0" } else { "3.1.1" }
    }
}

/// The bytes behind a fixed header, put together field by field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(crate) fn u16(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn variable(self, value: usize) -> Self {
        self.raw(&variable(value))
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.binary(text.as_bytes())
    }

    /// A length of two bytes and the bytes; also for texts that are no UTF-8.
    pub(crate) fn binary(self, bytes: &[u8]) -> Self {
        self.u16(u16::try_from(bytes.len()).unwrap()).raw(bytes)
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The properties with their length; nothing in 3.1.1.
    pub(crate) fn properties(self, version: Version, properties: &[Property]) -> Self {
        if !version.is_5() {
            return self;
        }
        let block = properties.iter().fold(Self::new(), |block, property| property.put(block));
        self.variable(block.0.len()).raw(&block.0)
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }

    /// The whole packet, with this first byte.
    pub(crate) fn packet(self, first: u8) -> Vec<u8> {
        packet(first, &self.0)
    }
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(variable(body.len()));
    packet.extend(body);
    packet
}

fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}

/// A CONNECT that asks for a new session without keep alive, unless told otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) properties: Vec<Property>,
    pub(crate) client_id: String,
    pub(crate) will: Option<Will>,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
}

impl Connect {
    pub(crate) fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive_s: 0,
            properties: Vec::new(),
            client_id: client_id.to_owned(),
            will: None,
            user_name: None,
            password: None,
        }
    }

    /// Goes on with the session if there is one, and keeps it beyond the connection.
    pub(crate) fn kept(mut self) -> Self {
        self.clean_start = false;
        self.with(Property::number(SESSION_EXPIRY, 600))
    }

    /// Adds a property; 3.1.1 has none.
    pub(crate) fn with(mut self, property: Property) -> Self {
        if self.version.is_5() {
            self.properties.push(property);
        }
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive_s = seconds;
        self
    }

    pub(crate) fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    /// The connect flags that belong to the fields.
    pub(crate) fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| 4 | will.qos << 3 | u8::from(will.retain) << 5);
        u8::from(self.clean_start) << 1
            | will
            | u8::from(self.password.is_some()) << 6
            | u8::from(self.user_name.is_some()) << 7
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_with_flags(self.flags())
    }

    /// The fields as they are, behind flags that may say otherwise.
    pub(crate) fn bytes_with_flags(&self, flags: u8) -> Vec<u8> {
        let head = Body::new().text("MQTT").u8(self.version.level()).u8(flags).u16(self.keep_alive_s);
        let mut body = head.properties(self.version, &self.properties).text(&self.client_id);
        if let Some(will) = &self.will {
            body = body.properties(self.version, &will.properties).text(&will.topic).binary(&will.payload);
        }
        if let Some(user_name) = &self.user_name {
            body = body.text(user_name);
        }
        if let Some(password) = &self.password {
            body = body.binary(password);
        }
        body.packet(0x10)
    }
}

/// The will of a CONNECT.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<Property>,
}

impl Will {
    pub(crate) fn new(topic: &str, payload: &str) -> Self {
        let payload = payload.as_bytes().to_vec();
        Self { topic: topic.to_owned(), payload, qos: 1, retain: false, properties: Vec::new() }
    }

    pub(crate) fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub(crate) fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }
}

/// A PUBLISH, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: String,
    /// Written above QoS 0 only.
    pub(crate) id: u16,
    pub(crate) properties: Vec<Property>,
    pub(crate) payload: Vec<u8>,
}

impl Publish {
    pub(crate) fn new(topic: &str, payload: &str) -> Self {
        let payload = payload.as_bytes().to_vec();
        Self { dup: false, qos: 0, retain: false, topic: topic.to_owned(), id: 0, properties: Vec::new(), payload }
    }

    pub(crate) fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub(crate) fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(crate) fn dup(mut self) -> Self {
        self.dup = true;
        self
    }

    pub(crate) fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    pub(crate) fn bytes(&self, version: Version) -> Vec<u8> {
        let body = Body::new().text(&self.topic);
        let body = if self.qos > 0 { body.u16(self.id) } else { body };
        let first = 0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        body.properties(version, &self.properties).raw(&self.payload).packet(first)
    }
}

pub(crate) fn subscribe(version: Version, id: u16, properties: &[Property], filters: &[(&str, u8)]) -> Vec<u8> {
    let head = Body::new().u16(id).properties(version, properties);
    filters.iter().fold(head, |body, (filter, options)| body.text(filter).u8(*options)).packet(0x82)
}

pub(crate) fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let head = Body::new().u16(id).properties(version, &[]);
    filters.iter().fold(head, |body, filter| body.text(filter)).packet(0xA2)
}
