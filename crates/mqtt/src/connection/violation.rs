//! What a client can do wrong beyond a packet that cannot be read, and the reason code for it.

use std::num::NonZeroU16;

use crate::packet::{DecodeError, PacketType, ReasonCode};

/// A breach of the protocol; the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the first packet is {packet}, not CONNECT")]
    ConnectMissing { packet: PacketType },
    #[error("CONNECT may be sent only once")]
    ConnectTwice,
    #[error("{packet} is not for a client to send")]
    NotForClients { packet: PacketType },
    #[error("a persistent session needs a client identifier")]
    ClientIdMissing,
    #[error("enhanced authentication is not offered")]
    AuthenticationMethod,
    #[error("AUTH was not agreed on in CONNECT")]
    AuthenticationNotAgreed,
    #[error("more than {receive_max} messages of QoS 1 and 2 are unacknowledged")]
    ReceiveMaximumExceeded { receive_max: u16 },
    #[error("topic alias {alias} is above the maximum of {topic_alias_max}")]
    TopicAliasTooHigh { alias: NonZeroU16, topic_alias_max: u16 },
    #[error("topic alias {alias} stands for no topic")]
    TopicAliasUnknown { alias: NonZeroU16 },
    #[error(
        "the topic is too long or has too many levels: at most {bytes_max} bytes and {levels_max} levels are taken"
    )]
    TopicTooLarge { bytes_max: usize, levels_max: usize },
    #[error("a subscription identifier is not for a client to publish")]
    SubscriptionIdPublished,
    #[error("{packet} does not belong to the delivery with packet identifier {packet_id}")]
    AckOutOfPlace { packet: PacketType, packet_id: NonZeroU16 },
    #[error("a session that ends with the connection cannot be made to outlive it")]
    SessionExpiryRaised,
    #[error("a {packet} is larger than the client allows any packet to be")]
    AnswerTooLarge { packet: PacketType },
}

impl Violation {
    /// What to answer in CONNACK or DISCONNECT.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason(),
            Self::ClientIdMissing => ReasonCode::ClientIdentifierNotValid,
            Self::AuthenticationMethod => ReasonCode::BadAuthenticationMethod,
            Self::ReceiveMaximumExceeded { .. } => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasTooHigh { .. } => ReasonCode::TopicAliasInvalid,
            Self::TopicTooLarge { .. } => ReasonCode::TopicNameInvalid,
            Self::AnswerTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::ConnectMissing { .. }
            | Self::ConnectTwice
            | Self::NotForClients { .. }
            | Self::AuthenticationNotAgreed
            | Self::TopicAliasUnknown { .. }
            | Self::SubscriptionIdPublished
            | Self::AckOutOfPlace { .. }
            | Self::SessionExpiryRaised => ReasonCode::ProtocolError,
        }
    }
}
