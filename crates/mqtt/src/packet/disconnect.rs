//! DISCONNECT, section 3.14: the last packet of a connection, from either side (from the client alone in 3.1.1).

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;

use super::properties::property_list;
use super::text::Body;
use super::{DecodeError, PacketType, ReasonCode, Version};

/// Ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Always success in 3.1.1.
    pub reason: ReasonCode,
    pub properties: DisconnectProperties,
}

property_list! {
    /// The properties of a DISCONNECT (section 3.14.2.2).
    DisconnectProperties in "DISCONNECT" {
        /// Seconds; takes the place of what CONNECT said, from the client only.
        session_expiry_s: u32 = SessionExpiryInterval,
        reason_string: ByteString = ReasonString,
        server_reference: ByteString = ServerReference,
    }
}

impl Disconnect {
    /// A DISCONNECT without properties.
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: DisconnectProperties::default() }
    }

    pub(crate) fn decode(version: Version, mut body: Body) -> Result<Self, DecodeError> {
        // Reason and properties may be left out where the reason is normal disconnection (section 3.14.2.1).
        if body.is_empty() || !version.has_properties() {
            body.finish(PacketType::Disconnect)?;
            return Ok(Self::new(ReasonCode::Success));
        }
        let reason = super::decode_reason(PacketType::Disconnect, body.u8("reason code")?)?;
        if body.is_empty() {
            return Ok(Self::new(reason));
        }
        let properties = DisconnectProperties::decode(version, &mut body)?;
        body.finish(PacketType::Disconnect)?;
        Ok(Self { reason, properties })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        if !version.has_properties() {
            return 0;
        }
        match (self.reason, self.properties == DisconnectProperties::default()) {
            (ReasonCode::Success, true) => 0,
            (_, true) => 1,
            (_, false) => 1 + self.properties.block_bytes(version),
        }
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        let bytes = self.body_bytes(version);
        if bytes > 0 {
            out.put_u8(self.reason.code());
        }
        if bytes > 1 {
            self.properties.put(version, out);
        }
    }
}
