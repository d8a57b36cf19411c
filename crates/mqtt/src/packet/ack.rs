//! PUBACK, PUBREC, PUBREL and PUBCOMP, sections 3.4 to 3.7: four packets of one form.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;

use super::properties::property_list;
use super::text::Body;
use super::{DecodeError, PacketType, ReasonCode, Version};

/// One step in the handshake of a PUBLISH with QoS 1 or 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub packet_id: NonZeroU16,
    /// Always success in 3.1.1.
    pub reason: ReasonCode,
    /// `None` for the most common case: no property at all.
    pub properties: Option<Box<AckProperties>>,
}

property_list! {
    /// The properties of PUBACK, PUBREC, PUBREL, PUBCOMP (section 3.4.2.2), SUBACK and UNSUBACK (section 3.9.2.1).
    AckProperties in "an acknowledgement" {
        reason_string: ByteString = ReasonString,
    }
}

impl Ack {
    /// An acknowledgement without properties.
    pub fn new(packet_id: NonZeroU16, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: None }
    }

    #[inline]
    pub(crate) fn decode(version: Version, packet: PacketType, mut body: Body) -> Result<Self, DecodeError> {
        let packet_id = NonZeroU16::new(body.u16("packet identifier")?).ok_or(DecodeError::PacketIdZero)?;
        // Reason and properties may be left out where the reason is success (section 3.4.2.1).
        if body.is_empty() || !version.has_properties() {
            body.finish(packet)?;
            return Ok(Self::new(packet_id, ReasonCode::Success));
        }
        let reason = super::decode_reason(packet, body.u8("reason code")?)?;
        if body.is_empty() {
            return Ok(Self::new(packet_id, reason));
        }
        let properties = AckProperties::decode(version, &mut body)?;
        body.finish(packet)?;
        let properties = (properties != AckProperties::default()).then(|| Box::new(properties));
        Ok(Self { packet_id, reason, properties })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        match &self.properties {
            Some(properties) if version.has_properties() => 3 + properties.block_bytes(version),
            None if version.has_properties() && self.reason != ReasonCode::Success => 3,
            _ => 2,
        }
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id.get());
        if !version.has_properties() || (self.reason == ReasonCode::Success && self.properties.is_none()) {
            return;
        }
        out.put_u8(self.reason.code());
        if let Some(properties) = &self.properties {
            properties.put(version, out);
        }
    }
}
