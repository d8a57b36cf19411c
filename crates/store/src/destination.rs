//! What is promised and allowed at a place where messages wait durably: a session, a queue, a stream. The logs keep to
//! it, the tables remember it.

use std::time::Duration;

/// What must have happened to a message before its publisher is told that it is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// Nothing: it is gone with the process.
    Memory,
    /// The operating system has it: it survives the process, but not a power cut.
    Os,
    /// It is on the disk, and survives a power cut.
    #[default]
    Fsync,
}

/// What happens when a message finds its destination full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FullPolicy {
    /// The publisher is told that it was not taken.
    #[default]
    Refuse,
    /// The oldest messages make room.
    DropOldest,
    /// The message itself is dropped.
    DropNewest,
    /// Of each topic only the last message is kept.
    KeepLastPerKey,
}

/// How much may wait at a destination. Reaching either number calls for the [`FullPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationLimits {
    pub messages_max: u64,
    pub bytes_max: u64,
    /// Older messages are dropped; `None` keeps them however old they are.
    pub age_max: Option<Duration>,
}

impl DestinationLimits {
    /// No limit at all: for what is bounded by other means.
    pub const NONE: Self = Self { messages_max: u64::MAX, bytes_max: u64::MAX, age_max: None };
}
