//! What a connection has carried, for `$SYS` and the metrics.

use crate::packet::PacketType;

/// Counts since the connection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    received: Direction,
    sent: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Direction {
    bytes: u64,
    /// By packet type; place 0 is not used.
    packets: [u64; 16],
}

impl Direction {
    #[inline]
    fn count(&mut self, packet: PacketType, bytes: usize) {
        self.bytes += bytes as u64;
        if let Some(count) = self.packets.get_mut(packet as usize) {
            *count += 1;
        }
    }

    fn packets(&self, packet: PacketType) -> u64 {
        self.packets.get(packet as usize).copied().unwrap_or(0)
    }
}

impl Traffic {
    /// Bytes of whole packets that the client sent.
    pub fn bytes_received(&self) -> u64 {
        self.received.bytes
    }

    /// Bytes of whole packets written for the client.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.bytes
    }

    /// Packets of a type that the client sent.
    pub fn packets_received(&self, packet: PacketType) -> u64 {
        self.received.packets(packet)
    }

    /// Packets of a type written for the client.
    pub fn packets_sent(&self, packet: PacketType) -> u64 {
        self.sent.packets(packet)
    }

    #[inline]
    pub(super) fn count_received(&mut self, packet: PacketType, bytes: usize) {
        self.received.count(packet, bytes);
    }

    #[inline]
    pub(super) fn count_sent(&mut self, packet: PacketType, bytes: usize) {
        self.sent.count(packet, bytes);
    }
}
