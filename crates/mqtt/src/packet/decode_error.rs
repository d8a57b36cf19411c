//! What can be wrong with bytes from a peer, and the one place where that becomes a reason code.

use bytestring::ByteString;
use message::TopicNameError;

use super::{PacketType, PropertyId, ReasonCode};

/// Why bytes are no packet. The connection that they came by must end (section 4.13).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("packet type 0 is reserved")]
    ReservedType,
    #[error("{packet} does not exist in MQTT 3.1.1")]
    NotInVersion { packet: PacketType },
    #[error("{packet} may not have the flags {flags:04b}")]
    Flags { packet: PacketType, flags: u8 },
    #[error("a variable byte integer is longer than it may be")]
    VariableIntTooLong,
    #[error("the packet has {bytes} bytes: at most {bytes_max} are allowed")]
    PacketTooLarge { bytes: usize, bytes_max: usize },
    #[error("the packet ends within its {field}")]
    Truncated { field: &'static str },
    #[error("{bytes} bytes follow the end of {packet}")]
    TrailingBytes { packet: PacketType, bytes: usize },
    #[error("the {field} is not valid UTF-8")]
    NotUtf8 { field: &'static str },
    #[error("the {field} holds a NUL character")]
    Nul { field: &'static str },
    #[error("a reserved bit of the {field} is set")]
    ReservedBits { field: &'static str },
    #[error("reason code {code:#04x} does not exist")]
    ReasonUnknown { code: u8 },
    #[error("reason code {code:#04x} may not stand in {packet}")]
    ReasonNotAllowed { packet: PacketType, code: u8 },
    #[error("property {id:#04x} does not exist")]
    PropertyUnknown { id: u32 },
    #[error("property `{property}` may not stand in {packet}")]
    PropertyNotAllowed { property: PropertyId, packet: &'static str },
    #[error("property `{property}` stands twice")]
    PropertyTwice { property: PropertyId },
    #[error("property `{property}` has a value that it may not have")]
    PropertyValue { property: PropertyId },
    #[error("topic alias 0 does not exist")]
    TopicAliasZero,
    #[error("protocol `{name}` level {level} is not spoken here: use MQTT 3.1.1 or 5.0")]
    UnsupportedProtocol { name: ByteString, level: u8 },
    #[error("a password needs a user name in MQTT 3.1.1")]
    PasswordWithoutUserName,
    #[error("the will's QoS or retain flag is set, but there is no will")]
    WillFlagsWithoutWill,
    #[error("QoS 3 does not exist: a message has 0, 1 or 2")]
    MessageQoS,
    #[error("QoS 3 does not exist: a subscription has 0, 1 or 2")]
    SubscriptionQoS,
    #[error("retain handling 3 does not exist")]
    RetainHandling,
    #[error("a shared subscription may not be `no local`")]
    NoLocalShared,
    #[error("a message of QoS 0 may not be marked as a duplicate")]
    DuplicateAtMostOnce,
    #[error("packet identifier 0 does not exist")]
    PacketIdZero,
    #[error("{packet} names no topic filter")]
    NoFilters { packet: PacketType },
    #[error("the packet holds more than {count_max} {what}")]
    TooMany { what: &'static str, count_max: usize },
    #[error("authentication data needs an authentication method")]
    AuthenticationDataWithoutMethod,
    #[error("a session is said to be present although the connection is refused")]
    SessionPresentOnRefusal,
    #[error("{0}")]
    Topic(#[from] TopicNameError),
}

impl DecodeError {
    /// What to answer in CONNACK or DISCONNECT.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::UnsupportedProtocol { .. } => ReasonCode::UnsupportedProtocolVersion,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            Self::TooMany { .. } => ReasonCode::QuotaExceeded,
            Self::Topic(TopicNameError::NotUtf8 | TopicNameError::Nul) => ReasonCode::MalformedPacket,
            Self::Topic(TopicNameError::Empty) => ReasonCode::ProtocolError,
            Self::Topic(_) => ReasonCode::TopicNameInvalid,
            Self::ReasonNotAllowed { .. }
            | Self::PropertyTwice { .. }
            | Self::PropertyValue { .. }
            | Self::SubscriptionQoS
            | Self::RetainHandling
            | Self::NoLocalShared
            | Self::PacketIdZero
            | Self::NoFilters { .. }
            | Self::AuthenticationDataWithoutMethod
            | Self::SessionPresentOnRefusal => ReasonCode::ProtocolError,
            _ => ReasonCode::MalformedPacket,
        }
    }
}
