//! UNSUBACK, section 3.11: one reason for each filter of the UNSUBSCRIBE, in its order; none in 3.1.1.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};

use super::text::Body;
use super::{AckProperties, DecodeError, PacketType, ReasonCode, Version};

/// Answers an UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsuback {
    pub packet_id: NonZeroU16,
    pub properties: AckProperties,
    /// Empty in 3.1.1.
    pub reasons: Vec<ReasonCode>,
}

impl Unsuback {
    pub(crate) fn decode(version: Version, mut body: Body) -> Result<Self, DecodeError> {
        let packet_id = NonZeroU16::new(body.u16("packet identifier")?).ok_or(DecodeError::PacketIdZero)?;
        let properties = AckProperties::decode(version, &mut body)?;
        let mut reasons = Vec::new();
        if version.has_properties() {
            while !body.is_empty() {
                reasons.push(super::decode_reason(PacketType::Unsuback, body.u8("reason code")?)?);
            }
            if reasons.is_empty() {
                return Err(DecodeError::Truncated { field: "reason codes" });
            }
        }
        body.finish(PacketType::Unsuback)?;
        Ok(Self { packet_id, properties, reasons })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        let reasons = if version.has_properties() { self.reasons.len() } else { 0 };
        2 + self.properties.block_bytes(version) + reasons
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id.get());
        self.properties.put(version, out);
        if version.has_properties() {
            for reason in &self.reasons {
                out.put_u8(reason.code());
            }
        }
    }
}
