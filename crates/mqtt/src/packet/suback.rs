//! SUBACK, section 3.9: one reason for each filter of the SUBSCRIBE, in its order.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};

use super::text::Body;
use super::{AckProperties, DecodeError, PacketType, ReasonCode, Version};

/// Answers a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suback {
    pub packet_id: NonZeroU16,
    pub properties: AckProperties,
    /// The granted QoS or a failure; 3.1.1 says every failure as 0x80.
    pub reasons: Vec<ReasonCode>,
}

impl Suback {
    pub(crate) fn decode(version: Version, mut body: Body) -> Result<Self, DecodeError> {
        let packet_id = NonZeroU16::new(body.u16("packet identifier")?).ok_or(DecodeError::PacketIdZero)?;
        let properties = AckProperties::decode(version, &mut body)?;
        let mut reasons = Vec::new();
        while !body.is_empty() {
            let reason = super::decode_reason(PacketType::Suback, body.u8("reason code")?)?;
            if !version.has_properties() && reason.suback_code_3_1_1() != reason.code() {
                return Err(DecodeError::ReasonUnknown { code: reason.code() });
            }
            reasons.push(reason);
        }
        if reasons.is_empty() {
            return Err(DecodeError::Truncated { field: "reason codes" });
        }
        Ok(Self { packet_id, properties, reasons })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        2 + self.properties.block_bytes(version) + self.reasons.len()
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id.get());
        self.properties.put(version, out);
        for reason in &self.reasons {
            out.put_u8(if version.has_properties() { reason.code() } else { reason.suback_code_3_1_1() });
        }
    }
}
