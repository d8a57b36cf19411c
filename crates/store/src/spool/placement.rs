//! Who gets a message, and what became of it.

use std::num::NonZeroU16;

use message::{DestinationId, Publication, QoS};

use crate::Revision;
use crate::log::CommitPoint;

/// The place of a message in its destination: counts up from zero, is never used again and may leave numbers out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ordinal(pub u64);

impl Ordinal {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A message of QoS 2 comes from a durable session: it is known again if it comes again, until it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExactlyOnce {
    pub session: DestinationId,
    pub packet: NonZeroU16,
    /// It is to be retained, at this place among all that are. As it is not taken a second time, the spool keeps it until
    /// the table has it: see [`Spool::retained`](super::Spool::retained).
    pub revision: Option<Revision>,
}

/// A message goes to this destination, in this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    pub destination: DestinationId,
    /// What the destination was granted, at most the publication's.
    pub qos: QoS,
    /// As the destination shall see it.
    pub retain: bool,
    /// Subscription identifiers.
    pub identifiers: Vec<u32>,
}

/// What became of one placement, by the limits of its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    At(Ordinal),
    /// The destination is full and drops what is new; it is counted.
    DroppedNewest,
    /// The destination is full and takes no more: nobody gets the message, and the publisher is to know.
    Refused,
    /// There is no such destination, or not any more.
    Unknown,
}

/// A message as it waits for its destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Spooled {
    pub ordinal: Ordinal,
    /// When this is reached, the message is as safe as its destination asks for.
    pub point: CommitPoint,
    pub publication: Publication,
    pub qos: QoS,
    pub retain: bool,
    pub identifiers: Vec<u32>,
    /// It may have been sent before: see [`Spool::sent`](super::Spool::sent).
    pub was_sent: bool,
}

/// Where the next read goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOn {
    pub from: Ordinal,
    /// Messages wait from there on.
    pub more: bool,
}
