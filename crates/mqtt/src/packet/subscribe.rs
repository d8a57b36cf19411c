//! SUBSCRIBE, section 3.8.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;
use message::{QoS, limits};

use super::properties::{SubscriptionId, property_list};
use super::text::{Body, binary_bytes, put_binary};
use super::{DecodeError, PacketType, Version};

/// Asks for the messages of one or more topic filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    pub packet_id: NonZeroU16,
    pub properties: SubscribeProperties,
    /// At least one.
    pub filters: Vec<SubscribeFilter>,
}

property_list! {
    /// The properties of a SUBSCRIBE (section 3.8.2.1).
    SubscribeProperties in "SUBSCRIBE" {
        subscription_id: SubscriptionId = SubscriptionIdentifier,
    }
}

/// One topic filter and how its messages are wanted (section 3.8.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// As sent: whether it is a topic filter is judged where it can be refused alone.
    pub filter: ByteString,
    pub options: SubscribeOptions,
}

/// How the messages of a subscription are wanted; 3.1.1 knows the QoS alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubscribeOptions {
    /// The highest QoS wanted.
    pub qos: QoS,
    /// The client's own messages shall not come back.
    pub no_local: bool,
    /// The retain flag shall come as published, not only on retained messages.
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent to a new subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum RetainHandling {
    #[default]
    Send = 0,
    SendIfNew = 1,
    DoNotSend = 2,
}

const NO_LOCAL: u8 = 0b0100;
const RETAIN_AS_PUBLISHED: u8 = 0b1000;

impl SubscribeOptions {
    fn decode(version: Version, byte: u8) -> Result<Self, DecodeError> {
        let reserved = if version.has_properties() { 0b1100_0000 } else { 0b1111_1100 };
        if byte & reserved != 0 {
            return Err(DecodeError::ReservedBits { field: "subscription options" });
        }
        Ok(Self {
            qos: QoS::try_from(byte & 0b11).map_err(|_| DecodeError::SubscriptionQoS)?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling: match byte >> 4 & 0b11 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeError::RetainHandling),
            },
        })
    }

    fn byte(self, version: Version) -> u8 {
        let qos = u8::from(self.qos);
        if !version.has_properties() {
            return qos;
        }
        qos | if self.no_local { NO_LOCAL } else { 0 }
            | if self.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 }
            | (self.retain_handling as u8) << 4
    }
}

impl Subscribe {
    pub(crate) fn decode(version: Version, mut body: Body) -> Result<Self, DecodeError> {
        let packet_id = NonZeroU16::new(body.u16("packet identifier")?).ok_or(DecodeError::PacketIdZero)?;
        let properties = SubscribeProperties::decode(version, &mut body)?;
        let count_max = limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX;
        let mut filters = Vec::new();
        while !body.is_empty() {
            if filters.len() >= count_max {
                return Err(DecodeError::TooMany { what: "topic filters", count_max });
            }
            let filter = body.text("topic filter")?;
            let options = SubscribeOptions::decode(version, body.u8("subscription options")?)?;
            if options.no_local && filter.starts_with("$share/") {
                return Err(DecodeError::NoLocalShared);
            }
            filters.push(SubscribeFilter { filter, options });
        }
        if filters.is_empty() {
            return Err(DecodeError::NoFilters { packet: PacketType::Subscribe });
        }
        Ok(Self { packet_id, properties, filters })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        let filters: usize = self.filters.iter().map(|filter| binary_bytes(filter.filter.as_bytes()) + 1).sum();
        2 + self.properties.block_bytes(version) + filters
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id.get());
        self.properties.put(version, out);
        for filter in &self.filters {
            put_binary(out, filter.filter.as_bytes());
            out.put_u8(filter.options.byte(version));
        }
    }
}
