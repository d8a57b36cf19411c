//! Reason codes, MQTT 5.0 section 2.4, and what is left of them in 3.1.1.

use std::fmt;

use message::QoS;

use super::PacketType;
use PacketType::{Auth, Connack, Disconnect, Puback, Pubcomp, Pubrec, Pubrel, Suback, Unsuback};

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, [$($packet:ident)*];)*) => {
        /// How an operation ended: below 0x80 it went well.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ReasonCode { $($(#[$doc])* $name = $code,)* }

        impl ReasonCode {
            /// Every reason, in the order of its code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The reason with this code.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Whether the specification lets this reason stand in such a packet (section 2.4, table 2-6).
            pub fn may_stand_in(self, packet: PacketType) -> bool {
                match self { $(Self::$name => matches!(packet, $($packet)|*),)* }
            }
        }

        impl fmt::Display for ReasonCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

reason_codes! {
    /// Also normal disconnection, and granted QoS 0.
    Success = 0x00, "success", [Connack Puback Pubrec Pubrel Pubcomp Suback Unsuback Disconnect Auth];
    GrantedQoS1 = 0x01, "granted QoS 1", [Suback];
    GrantedQoS2 = 0x02, "granted QoS 2", [Suback];
    DisconnectWithWill = 0x04, "disconnect with will message", [Disconnect];
    NoMatchingSubscribers = 0x10, "no matching subscribers", [Puback Pubrec];
    NoSubscriptionExisted = 0x11, "no subscription existed", [Unsuback];
    ContinueAuthentication = 0x18, "continue authentication", [Auth];
    ReAuthenticate = 0x19, "re-authenticate", [Auth];
    UnspecifiedError = 0x80, "unspecified error", [Connack Puback Pubrec Suback Unsuback Disconnect];
    MalformedPacket = 0x81, "malformed packet", [Connack Disconnect];
    ProtocolError = 0x82, "protocol error", [Connack Disconnect];
    ImplementationSpecificError = 0x83, "implementation specific error", [Connack Puback Pubrec Suback Unsuback Disconnect];
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version", [Connack];
    ClientIdentifierNotValid = 0x85, "client identifier not valid", [Connack];
    BadUserNameOrPassword = 0x86, "bad user name or password", [Connack];
    NotAuthorized = 0x87, "not authorized", [Connack Puback Pubrec Suback Unsuback Disconnect];
    ServerUnavailable = 0x88, "server unavailable", [Connack];
    ServerBusy = 0x89, "server busy", [Connack Disconnect];
    Banned = 0x8A, "banned", [Connack];
    ServerShuttingDown = 0x8B, "server shutting down", [Disconnect];
    BadAuthenticationMethod = 0x8C, "bad authentication method", [Connack Disconnect];
    KeepAliveTimeout = 0x8D, "keep alive timeout", [Disconnect];
    SessionTakenOver = 0x8E, "session taken over", [Disconnect];
    TopicFilterInvalid = 0x8F, "topic filter invalid", [Suback Unsuback Disconnect];
    TopicNameInvalid = 0x90, "topic name invalid", [Connack Puback Pubrec Disconnect];
    PacketIdentifierInUse = 0x91, "packet identifier in use", [Puback Pubrec Suback Unsuback];
    PacketIdentifierNotFound = 0x92, "packet identifier not found", [Pubrel Pubcomp];
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded", [Disconnect];
    TopicAliasInvalid = 0x94, "topic alias invalid", [Disconnect];
    PacketTooLarge = 0x95, "packet too large", [Connack Disconnect];
    MessageRateTooHigh = 0x96, "message rate too high", [Disconnect];
    QuotaExceeded = 0x97, "quota exceeded", [Connack Puback Pubrec Suback Disconnect];
    AdministrativeAction = 0x98, "administrative action", [Disconnect];
    PayloadFormatInvalid = 0x99, "payload format invalid", [Connack Puback Pubrec Disconnect];
    RetainNotSupported = 0x9A, "retain not supported", [Connack Disconnect];
    QoSNotSupported = 0x9B, "QoS not supported", [Connack Disconnect];
    UseAnotherServer = 0x9C, "use another server", [Connack Disconnect];
    ServerMoved = 0x9D, "server moved", [Connack Disconnect];
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported", [Suback Disconnect];
    ConnectionRateExceeded = 0x9F, "connection rate exceeded", [Connack Disconnect];
    MaximumConnectTime = 0xA0, "maximum connect time", [Disconnect];
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported", [Suback Disconnect];
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported", [Suback Disconnect];
}

impl ReasonCode {
    /// The byte on the wire of MQTT 5.0.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Whether the operation failed.
    pub fn is_error(self) -> bool {
        self.code() >= 0x80
    }

    /// The return code of a 3.1.1 CONNACK (its table 3.1); `None` where 3.1.1 closes without an answer.
    pub fn connack_code_3_1_1(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdentifierNotValid => Some(2),
            Self::ServerUnavailable | Self::ServerBusy | Self::QuotaExceeded | Self::ConnectionRateExceeded => Some(3),
            Self::BadUserNameOrPassword => Some(4),
            Self::NotAuthorized | Self::Banned | Self::BadAuthenticationMethod => Some(5),
            _ => None,
        }
    }

    /// What a 3.1.1 CONNACK return code means.
    pub fn from_connack_code_3_1_1(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }

    /// The return code of a 3.1.1 SUBACK: the granted QoS, or 0x80 for every failure.
    pub fn suback_code_3_1_1(self) -> u8 {
        if self.is_error() { 0x80 } else { self.code() }
    }
}

impl From<QoS> for ReasonCode {
    /// The answer to a SUBSCRIBE that is granted with this QoS.
    fn from(granted: QoS) -> Self {
        match granted {
            QoS::AtMostOnce => Self::Success,
            QoS::AtLeastOnce => Self::GrantedQoS1,
            QoS::ExactlyOnce => Self::GrantedQoS2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_and_rise() {
        for pair in ReasonCode::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        for code in 0..=255 {
            assert_eq!(ReasonCode::from_code(code).map_or(code, ReasonCode::code), code);
        }
        assert_eq!(ReasonCode::ALL.len(), 43);
    }

    #[test]
    fn three_one_one_knows_six_answers_to_connect() {
        for code in 0..6 {
            let reason = ReasonCode::from_connack_code_3_1_1(code).unwrap();
            assert_eq!(reason.connack_code_3_1_1(), Some(code));
        }
        assert_eq!(ReasonCode::from_connack_code_3_1_1(6), None);
        assert_eq!(ReasonCode::MalformedPacket.connack_code_3_1_1(), None);
    }
}
