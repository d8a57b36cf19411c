//! CONNECT, section 3.1: the first packet of every connection.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use message::QoS;

use super::properties::property_list;
use super::text::{Body, binary_bytes, put_binary};
use super::{DecodeError, PacketType, Version, Will};

/// Asks for a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    pub version: Version,
    /// Clean session in 3.1.1: there it also ends the session with the connection.
    pub clean_start: bool,
    /// Seconds; 0 turns keep alive off.
    pub keep_alive_s: u16,
    pub properties: ConnectProperties,
    /// Empty when the server shall choose one.
    pub client_id: ByteString,
    pub will: Option<Will>,
    pub user_name: Option<ByteString>,
    pub password: Option<Bytes>,
}

property_list! {
    /// The properties of a CONNECT (section 3.1.2.11).
    ConnectProperties in "CONNECT" {
        /// Seconds that the session outlives the connection; `u32::MAX` is for ever.
        session_expiry_s: u32 = SessionExpiryInterval,
        receive_max: NonZeroU16 = ReceiveMaximum,
        packet_bytes_max: NonZeroU32 = MaximumPacketSize,
        topic_alias_max: u16 = TopicAliasMaximum,
        request_response_information: bool = RequestResponseInformation,
        /// Whether reasons may be told in words; yes if not set.
        request_problem_information: bool = RequestProblemInformation,
        authentication_method: ByteString = AuthenticationMethod,
        authentication_data: Bytes = AuthenticationData,
    }
}

const NAME: &[u8] = b"MQTT";

const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL: u8 = 0x04;
const CLEAN_START: u8 = 0x02;
const RESERVED: u8 = 0x01;

impl Connect {
    /// Reads protocol name and level: they decide how the rest is read, and how a refusal is written.
    pub(crate) fn decode_version(body: &mut Body) -> Result<Version, DecodeError> {
        let name = body.text("protocol name")?;
        let level = body.u8("protocol level")?;
        match Version::from_level(level) {
            Some(version) if name.as_bytes() == NAME => Ok(version),
            _ => Err(DecodeError::UnsupportedProtocol { name, level }),
        }
    }

    /// Reads what follows the protocol level. `heard` gets the properties as soon as they are read: what the client
    /// takes binds also the answer to what is wrong behind them.
    pub(crate) fn decode(
        version: Version,
        mut body: Body,
        heard: impl FnOnce(&ConnectProperties),
    ) -> Result<Self, DecodeError> {
        let flags = body.u8("connect flags")?;
        let (will_qos, will_retain) = check_flags(version, flags)?;
        let keep_alive_s = body.u16("keep alive")?;
        let properties = ConnectProperties::decode(version, &mut body)?;
        heard(&properties);
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(DecodeError::AuthenticationDataWithoutMethod);
        }
        let client_id = body.text("client identifier")?;
        let will = match flags & WILL {
            0 => None,
            _ => Some(Will::decode(version, will_qos, will_retain, &mut body)?),
        };
        let user_name = if flags & USER_NAME != 0 { Some(body.text("user name")?) } else { None };
        let password = if flags & PASSWORD != 0 { Some(body.binary("password")?) } else { None };
        body.finish(PacketType::Connect)?;
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self { version, clean_start, keep_alive_s, properties, client_id, will, user_name, password })
    }

    pub(crate) fn body_bytes(&self) -> usize {
        10 + self.properties.block_bytes(self.version)
            + binary_bytes(self.client_id.as_bytes())
            + self.will.as_ref().map_or(0, |will| will.bytes(self.version))
            + self.user_name.as_ref().map_or(0, |name| binary_bytes(name.as_bytes()))
            + self.password.as_ref().map_or(0, |password| binary_bytes(password))
    }

    pub(crate) fn put(&self, out: &mut BytesMut) {
        put_binary(out, NAME);
        out.put_u8(self.version.level());
        out.put_u8(self.flags());
        out.put_u16(self.keep_alive_s);
        self.properties.put(self.version, out);
        put_binary(out, self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.put(self.version, out);
        }
        if let Some(user_name) = &self.user_name {
            put_binary(out, user_name.as_bytes());
        }
        if let Some(password) = &self.password {
            put_binary(out, password);
        }
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= WILL | u8::from(will.qos) << 3;
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        if self.user_name.is_some() {
            flags |= USER_NAME;
        }
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        flags
    }
}

fn check_flags(version: Version, flags: u8) -> Result<(QoS, bool), DecodeError> {
    if flags & RESERVED != 0 {
        return Err(DecodeError::ReservedBits { field: "connect flags" });
    }
    let qos = QoS::try_from(flags >> 3 & 0b11).map_err(|_| DecodeError::MessageQoS)?;
    let retain = flags & WILL_RETAIN != 0;
    if flags & WILL == 0 && (qos != QoS::AtMostOnce || retain) {
        return Err(DecodeError::WillFlagsWithoutWill);
    }
    if version == Version::V3_1_1 && flags & PASSWORD != 0 && flags & USER_NAME == 0 {
        return Err(DecodeError::PasswordWithoutUserName);
    }
    Ok((qos, retain))
}
