//! Why a packet cannot be written.

/// The packet was not written: it is larger than the peer takes, or than MQTT can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet would be larger than the {bytes_max} bytes that the peer takes")]
pub struct PacketTooLarge {
    pub bytes_max: usize,
}
