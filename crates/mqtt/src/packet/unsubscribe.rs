//! UNSUBSCRIBE, section 3.10.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;
use message::limits;

use super::properties::property_list;
use super::text::{Body, binary_bytes, put_binary};
use super::{DecodeError, PacketType, Version};

/// Ends one or more subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    pub packet_id: NonZeroU16,
    pub properties: UnsubscribeProperties,
    /// At least one, as sent.
    pub filters: Vec<ByteString>,
}

property_list! {
    /// The properties of an UNSUBSCRIBE (section 3.10.2.1).
    UnsubscribeProperties in "UNSUBSCRIBE" {}
}

impl Unsubscribe {
    pub(crate) fn decode(version: Version, mut body: Body) -> Result<Self, DecodeError> {
        let packet_id = NonZeroU16::new(body.u16("packet identifier")?).ok_or(DecodeError::PacketIdZero)?;
        let properties = UnsubscribeProperties::decode(version, &mut body)?;
        let count_max = limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX;
        let mut filters = Vec::new();
        while !body.is_empty() {
            if filters.len() >= count_max {
                return Err(DecodeError::TooMany { what: "topic filters", count_max });
            }
            filters.push(body.text("topic filter")?);
        }
        if filters.is_empty() {
            return Err(DecodeError::NoFilters { packet: PacketType::Unsubscribe });
        }
        Ok(Self { packet_id, properties, filters })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        let filters: usize = self.filters.iter().map(|filter| binary_bytes(filter.as_bytes())).sum();
        2 + self.properties.block_bytes(version) + filters
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id.get());
        self.properties.put(version, out);
        for filter in &self.filters {
            put_binary(out, filter.as_bytes());
        }
    }
}
