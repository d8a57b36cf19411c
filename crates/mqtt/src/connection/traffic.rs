//! What connections carry, for `$SYS` and the metrics: counted by each connection alone, collected now and then into sums
//! that many share.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::packet::PacketType;

/// Packet types are numbered from 1 to 15; place 0 is not used.
const PLACES: usize = PacketType::ALL.len() + 1;

/// What one connection has carried since its counts were last collected. A connection that rests has no counts.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    counts: Option<Box<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    received: Direction,
    sent: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    bytes: u64,
    payload_bytes: u64,
    packets: [u32; PLACES],
    /// A bit for each packet type that has a count.
    seen: u16,
}

/// Sums over connections. On cache lines of its own: two threads that collect into two of these do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TrafficTotals {
    received: Totals,
    sent: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    bytes: AtomicU64,
    payload_bytes: AtomicU64,
    packets: [AtomicU64; PLACES],
}

/// Sums at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficFigures {
    /// From clients.
    pub received: DirectionFigures,
    /// To clients.
    pub sent: DirectionFigures,
}

/// One direction of [`TrafficFigures`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirectionFigures {
    /// Of whole packets.
    pub bytes: u64,
    /// Of the payloads of messages.
    pub payload_bytes: u64,
    packets: [u64; PLACES],
}

impl Traffic {
    #[inline]
    pub(super) fn count_received(&mut self, packet: PacketType, bytes: usize) {
        self.counts().received.count(packet, bytes);
    }

    #[inline]
    pub(super) fn count_sent(&mut self, packet: PacketType, bytes: usize) {
        self.counts().sent.count(packet, bytes);
    }

    #[inline]
    pub(super) fn count_payload_received(&mut self, bytes: usize) {
        self.counts().received.payload_bytes += bytes as u64;
    }

    #[inline]
    pub(super) fn count_payload_sent(&mut self, bytes: usize) {
        self.counts().sent.payload_bytes += bytes as u64;
    }

    #[inline]
    pub(super) fn collect(&mut self, totals: &TrafficTotals) {
        if let Some(counts) = &mut self.counts {
            counts.received.collect(&totals.received);
            counts.sent.collect(&totals.sent);
        }
    }

    /// Gives the memory back if all is collected.
    pub(super) fn rest(&mut self) {
        self.counts.take_if(|counts| counts.received.seen | counts.sent.seen == 0);
    }

    #[inline]
    fn counts(&mut self) -> &mut Counts {
        self.counts.get_or_insert_default()
    }
}

impl Direction {
    #[inline]
    fn count(&mut self, packet: PacketType, bytes: usize) {
        self.bytes += bytes as u64;
        self.seen |= 1 << packet as u16;
        if let Some(count) = self.packets.get_mut(packet as usize) {
            *count = count.saturating_add(1);
        }
    }

    fn collect(&mut self, totals: &Totals) {
        if self.seen == 0 {
            return;
        }
        totals.bytes.fetch_add(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        totals.payload_bytes.fetch_add(std::mem::take(&mut self.payload_bytes), Ordering::Relaxed);
        let mut seen = std::mem::take(&mut self.seen);
        while seen != 0 {
            let place = seen.trailing_zeros() as usize;
            seen &= seen - 1;
            if let (Some(count), Some(total)) = (self.packets.get_mut(place), totals.packets.get(place)) {
                total.fetch_add(u64::from(std::mem::take(count)), Ordering::Relaxed);
            }
        }
    }
}

impl TrafficTotals {
    pub fn add_to(&self, figures: &mut TrafficFigures) {
        self.received.add_to(&mut figures.received);
        self.sent.add_to(&mut figures.sent);
    }
}

impl Totals {
    fn add_to(&self, figures: &mut DirectionFigures) {
        figures.bytes += self.bytes.load(Ordering::Relaxed);
        figures.payload_bytes += self.payload_bytes.load(Ordering::Relaxed);
        for (sum, count) in figures.packets.iter_mut().zip(&self.packets) {
            *sum += count.load(Ordering::Relaxed);
        }
    }
}

impl DirectionFigures {
    /// Packets of one type.
    pub fn packets(&self, packet: PacketType) -> u64 {
        self.packets.get(packet as usize).copied().unwrap_or(0)
    }

    /// Packets of all types.
    pub fn all_packets(&self) -> u64 {
        self.packets.iter().sum()
    }
}
