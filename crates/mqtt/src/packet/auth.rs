//! AUTH, section 3.15: enhanced authentication, only in 5.0.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::properties::property_list;
use super::text::Body;
use super::{DecodeError, PacketType, ReasonCode, Version};

/// One step of an authentication that both sides agreed on in CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    pub reason: ReasonCode,
    pub properties: AuthProperties,
}

property_list! {
    /// The properties of an AUTH (section 3.15.2.2).
    AuthProperties in "AUTH" {
        authentication_method: ByteString = AuthenticationMethod,
        authentication_data: Bytes = AuthenticationData,
        reason_string: ByteString = ReasonString,
    }
}

impl Auth {
    pub(crate) fn decode(mut body: Body) -> Result<Self, DecodeError> {
        // Both may be left out where the reason is success (section 3.15.2.1).
        if body.is_empty() {
            return Ok(Self { reason: ReasonCode::Success, properties: AuthProperties::default() });
        }
        let reason = super::decode_reason(PacketType::Auth, body.u8("reason code")?)?;
        let properties = AuthProperties::decode(Version::V5, &mut body)?;
        body.finish(PacketType::Auth)?;
        Ok(Self { reason, properties })
    }

    pub(crate) fn body_bytes(&self) -> usize {
        if self.reason == ReasonCode::Success && self.properties == AuthProperties::default() {
            return 0;
        }
        1 + self.properties.block_bytes(Version::V5)
    }

    pub(crate) fn put(&self, out: &mut BytesMut) {
        if self.body_bytes() > 0 {
            out.put_u8(self.reason.code());
            self.properties.put(Version::V5, out);
        }
    }
}
