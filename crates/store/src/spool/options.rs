//! What a spool and its destinations are told.

use message::limits;

use crate::{DestinationLimits, Durability, FullPolicy};

/// How a spool lays its files out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolOptions {
    /// A segment is ended when it has so many bytes.
    pub segment_bytes: u64,
    /// All files of the spool together; beyond it messages are refused as on a full disk.
    pub bytes_max: u64,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self { segment_bytes: limits::LOG_SEGMENT_BYTES, bytes_max: u64::MAX }
    }
}

/// What one destination asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationOptions {
    pub durability: Durability,
    /// In bytes count topics and payloads, and some bytes for each message. What is too old is dropped by
    /// [`Spool::drop_aged`](super::Spool::drop_aged).
    pub limits: DestinationLimits,
    pub policy: FullPolicy,
}

impl Default for DestinationOptions {
    /// On the disk, without limits.
    fn default() -> Self {
        Self { durability: Durability::Fsync, limits: DestinationLimits::NONE, policy: FullPolicy::Refuse }
    }
}

/// Why a message left its destination without having been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Newer messages needed its room.
    Oldest,
    /// There was no room for it.
    Newest,
    /// It was older than its destination keeps messages.
    Age,
    /// A newer message with the same topic took its place.
    Replaced,
    /// Its record was damaged.
    Damaged,
}

impl DropReason {
    /// All reasons, in the order of their numbers on the disk.
    pub const ALL: [Self; 5] = [Self::Oldest, Self::Newest, Self::Age, Self::Replaced, Self::Damaged];

    pub(super) fn index(self) -> usize {
        self as usize
    }
}
