//! Quality of service, MQTT 5.0 section 4.3.

/// How often a message may arrive: the promise between two neighbours on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum QoS {
    /// At most once: sent, never acknowledged.
    #[default]
    AtMostOnce = 0,
    /// At least once: acknowledged, may be repeated.
    AtLeastOnce = 1,
    /// Exactly once: a handshake of four packets.
    ExactlyOnce = 2,
}

impl From<QoS> for u8 {
    fn from(qos: QoS) -> Self {
        qos as Self
    }
}

impl TryFrom<u8> for QoS {
    type Error = QoSError;

    fn try_from(level: u8) -> Result<Self, QoSError> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(QoSError { level: other }),
        }
    }
}

/// A quality of service that MQTT does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("qos {level} does not exist: use 0, 1 or 2")]
pub struct QoSError {
    level: u8,
}
