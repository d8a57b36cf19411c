//! Every packet of MQTT 3.1.1 and 5.0, one file each, read from bytes and written to bytes in both directions.
//! Section numbers are those of the MQTT 5.0 specification.

mod ack;
mod auth;
mod connack;
mod connect;
mod decode_error;
mod disconnect;
mod encode_error;
mod end_to_end;
mod fixed_header;
mod packet_type;
mod properties;
mod publish;
mod reason_code;
mod suback;
mod subscribe;
mod text;
mod unsuback;
mod unsubscribe;
mod version;
mod will;

#[cfg(test)]
mod tests;

pub use ack::{Ack, AckProperties};
pub use auth::{Auth, AuthProperties};
pub use connack::{Connack, ConnackProperties};
pub use connect::{Connect, ConnectProperties};
pub use decode_error::DecodeError;
pub use disconnect::{Disconnect, DisconnectProperties};
pub use encode_error::PacketTooLarge;
pub use fixed_header::{FixedHeader, VARIABLE_INT_MAX};
pub use packet_type::PacketType;
pub use properties::{PropertyId, SubscriptionId, UserProperty};
pub use publish::{Publish, PublishView};
pub use reason_code::ReasonCode;
pub use suback::Suback;
pub use subscribe::{RetainHandling, Subscribe, SubscribeFilter, SubscribeOptions, SubscribeProperties};
pub use unsuback::Unsuback;
pub use unsubscribe::{Unsubscribe, UnsubscribeProperties};
pub use version::Version;
pub use will::Will;

pub(crate) use text::Body;

use bytes::{Buf, BufMut, BytesMut};

/// One packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    Connect(Box<Connect>),
    Connack(Box<Connack>),
    Publish(Publish),
    Puback(Ack),
    Pubrec(Ack),
    Pubrel(Ack),
    Pubcomp(Ack),
    Subscribe(Subscribe),
    Suback(Suback),
    Unsubscribe(Unsubscribe),
    Unsuback(Unsuback),
    Pingreq,
    Pingresp,
    Disconnect(Box<Disconnect>),
    Auth(Box<Auth>),
}

impl Packet {
    /// Takes the first packet out of `input`; `None` when it has not arrived whole. Texts and payloads share the
    /// bytes of `input`. A packet of more than `bytes_max` bytes is refused from its head alone.
    /// `version` is that of the connection; CONNECT says its own.
    pub fn decode(version: Version, input: &mut BytesMut, bytes_max: usize) -> Result<Option<Self>, DecodeError> {
        match split_body(input, bytes_max)? {
            Some((header, body)) => Self::decode_body(version, header, body).map(Some),
            None => Ok(None),
        }
    }

    /// Reads what follows the fixed header.
    pub(crate) fn decode_body(version: Version, header: FixedHeader, mut body: Body) -> Result<Self, DecodeError> {
        let packet = header.packet_type;
        if packet != PacketType::Connect {
            header.check_length(version)?;
        }
        Ok(match packet {
            PacketType::Connect => {
                let version = Connect::decode_version(&mut body)?;
                header.check_length(version)?;
                Self::Connect(Box::new(Connect::decode(version, body, |_| {})?))
            }
            PacketType::Connack => Self::Connack(Box::new(Connack::decode(version, body)?)),
            PacketType::Publish => Self::Publish(Publish::decode(version, header.flags, body, |_| None)?),
            PacketType::Puback => Self::Puback(Ack::decode(version, packet, body)?),
            PacketType::Pubrec => Self::Pubrec(Ack::decode(version, packet, body)?),
            PacketType::Pubrel => Self::Pubrel(Ack::decode(version, packet, body)?),
            PacketType::Pubcomp => Self::Pubcomp(Ack::decode(version, packet, body)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(version, body)?),
            PacketType::Suback => Self::Suback(Suback::decode(version, body)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(version, body)?),
            PacketType::Unsuback => Self::Unsuback(Unsuback::decode(version, body)?),
            PacketType::Pingreq => {
                body.finish(packet)?;
                Self::Pingreq
            }
            PacketType::Pingresp => {
                body.finish(packet)?;
                Self::Pingresp
            }
            PacketType::Disconnect => Self::Disconnect(Box::new(Disconnect::decode(version, body)?)),
            PacketType::Auth if version.has_properties() => Self::Auth(Box::new(Auth::decode(body)?)),
            PacketType::Auth => return Err(DecodeError::NotInVersion { packet }),
        })
    }

    /// Appends the packet to `out`, or nothing if it would have more than `bytes_max` bytes.
    pub fn encode(&self, version: Version, out: &mut BytesMut, bytes_max: usize) -> Result<(), PacketTooLarge> {
        if let Self::Publish(publish) = self {
            return publish.view().encode(version, out, bytes_max);
        }
        let body_bytes = self.body_bytes(version);
        let packet_bytes = 1 + fixed_header::variable_int_bytes(body_bytes) + body_bytes;
        if packet_bytes > bytes_max || body_bytes > VARIABLE_INT_MAX as usize {
            return Err(PacketTooLarge { bytes_max });
        }
        out.reserve(packet_bytes);
        let packet_type = self.packet_type();
        out.put_u8((packet_type as u8) << 4 | packet_type.fixed_flags().unwrap_or(0));
        fixed_header::put_variable_int(out, body_bytes);
        self.put_body(version, out);
        Ok(())
    }

    /// What the packet is.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Takes out what only explains, reason string and user properties: a packet that is too large with them is
    /// sent without them (section 3.2.2.3.9 and its like). A PUBLISH keeps its user properties, as they are content.
    pub fn drop_explanation(&mut self) {
        match self {
            Self::Connack(connack) => {
                connack.properties.reason_string = None;
                connack.properties.user_properties.clear();
            }
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => ack.properties = None,
            Self::Suback(Suback { properties, .. }) | Self::Unsuback(Unsuback { properties, .. }) => {
                *properties = AckProperties::default();
            }
            Self::Disconnect(disconnect) => {
                disconnect.properties.reason_string = None;
                disconnect.properties.user_properties.clear();
            }
            Self::Auth(auth) => {
                auth.properties.reason_string = None;
                auth.properties.user_properties.clear();
            }
            Self::Connect(_)
            | Self::Publish(_)
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::Pingreq
            | Self::Pingresp => {}
        }
    }

    fn body_bytes(&self, version: Version) -> usize {
        match self {
            Self::Connect(connect) => connect.body_bytes(),
            Self::Connack(connack) => connack.body_bytes(version),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => ack.body_bytes(version),
            Self::Subscribe(subscribe) => subscribe.body_bytes(version),
            Self::Suback(suback) => suback.body_bytes(version),
            Self::Unsubscribe(unsubscribe) => unsubscribe.body_bytes(version),
            Self::Unsuback(unsuback) => unsuback.body_bytes(version),
            Self::Disconnect(disconnect) => disconnect.body_bytes(version),
            Self::Auth(auth) => auth.body_bytes(),
            // A PUBLISH is written from its view.
            Self::Pingreq | Self::Pingresp | Self::Publish(_) => 0,
        }
    }

    fn put_body(&self, version: Version, out: &mut BytesMut) {
        match self {
            Self::Connect(connect) => connect.put(out),
            Self::Connack(connack) => connack.put(version, out),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => ack.put(version, out),
            Self::Subscribe(subscribe) => subscribe.put(version, out),
            Self::Suback(suback) => suback.put(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.put(version, out),
            Self::Unsuback(unsuback) => unsuback.put(version, out),
            Self::Disconnect(disconnect) => disconnect.put(version, out),
            Self::Auth(auth) => auth.put(out),
            Self::Pingreq | Self::Pingresp | Self::Publish(_) => {}
        }
    }
}

/// Takes the first packet out of `input`, its head apart from the rest; `None` when it has not arrived whole.
#[inline]
pub(crate) fn split_body(input: &mut BytesMut, bytes_max: usize) -> Result<Option<(FixedHeader, Body)>, DecodeError> {
    let Some(header) = FixedHeader::peek(input)? else {
        return Ok(None);
    };
    let bytes = header.packet_bytes();
    if bytes > bytes_max {
        return Err(DecodeError::PacketTooLarge { bytes, bytes_max });
    }
    if input.len() < bytes {
        return Ok(None);
    }
    input.advance(header.header_bytes);
    Ok(Some((header, Body::new(input.split_to(header.body_bytes).freeze()))))
}

/// Reads a reason code and holds it against those that the packet may have.
pub(crate) fn decode_reason(packet: PacketType, code: u8) -> Result<ReasonCode, DecodeError> {
    let reason = ReasonCode::from_code(code).ok_or(DecodeError::ReasonUnknown { code })?;
    if reason.may_stand_in(packet) { Ok(reason) } else { Err(DecodeError::ReasonNotAllowed { packet, code }) }
}
