//! CONNACK, section 3.2: the server's answer to CONNECT.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use message::QoS;

use super::properties::property_list;
use super::text::Body;
use super::{DecodeError, PacketType, ReasonCode, Version};

/// Accepts or refuses a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connack {
    /// The server has a session of this client and goes on with it.
    pub session_present: bool,
    pub reason: ReasonCode,
    pub properties: ConnackProperties,
}

property_list! {
    /// The properties of a CONNACK (section 3.2.2.3).
    ConnackProperties in "CONNACK" {
        /// Seconds, where the server does not grant what was asked for.
        session_expiry_s: u32 = SessionExpiryInterval,
        receive_max: NonZeroU16 = ReceiveMaximum,
        /// 0 or 1; not set means 2.
        qos_max: QoS = MaximumQoS,
        retain_available: bool = RetainAvailable,
        packet_bytes_max: NonZeroU32 = MaximumPacketSize,
        assigned_client_id: ByteString = AssignedClientIdentifier,
        topic_alias_max: u16 = TopicAliasMaximum,
        reason_string: ByteString = ReasonString,
        wildcard_subscription_available: bool = WildcardSubscriptionAvailable,
        subscription_identifier_available: bool = SubscriptionIdentifierAvailable,
        shared_subscription_available: bool = SharedSubscriptionAvailable,
        /// Seconds; takes the place of the client's keep alive.
        server_keep_alive_s: u16 = ServerKeepAlive,
        response_information: ByteString = ResponseInformation,
        server_reference: ByteString = ServerReference,
        authentication_method: ByteString = AuthenticationMethod,
        authentication_data: Bytes = AuthenticationData,
    }
}

impl Connack {
    pub(crate) fn decode(version: Version, mut body: Body) -> Result<Self, DecodeError> {
        let flags = body.u8("connect acknowledge flags")?;
        if flags & !1 != 0 {
            return Err(DecodeError::ReservedBits { field: "connect acknowledge flags" });
        }
        let session_present = flags == 1;
        let code = body.u8("reason code")?;
        let reason = match version {
            Version::V3_1_1 => ReasonCode::from_connack_code_3_1_1(code).ok_or(DecodeError::ReasonUnknown { code })?,
            Version::V5 => super::decode_reason(PacketType::Connack, code)?,
        };
        if session_present && reason.is_error() {
            return Err(DecodeError::SessionPresentOnRefusal);
        }
        let properties = ConnackProperties::decode(version, &mut body)?;
        body.finish(PacketType::Connack)?;
        Ok(Self { session_present, reason, properties })
    }

    pub(crate) fn body_bytes(&self, version: Version) -> usize {
        2 + self.properties.block_bytes(version)
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u8(u8::from(self.session_present));
        out.put_u8(match version {
            // A reason that 3.1.1 cannot say is sent as "server unavailable"; the connection machine sends none.
            Version::V3_1_1 => self.reason.connack_code_3_1_1().unwrap_or(3),
            Version::V5 => self.reason.code(),
        });
        self.properties.put(version, out);
    }
}
