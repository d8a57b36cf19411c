//! What a queue wants done.

use std::sync::Arc;

use message::Publication;

use super::backlog::Ordinal;
use super::consumers::ConsumerId;

/// Names one delivery of one message, so that an acknowledgement which comes late cannot be taken for that of a later
/// delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryTag {
    pub ordinal: Ordinal,
    /// Which delivery of the message this is, from 1.
    pub delivery: u32,
}

/// The next thing to do for a queue.
#[derive(Debug, Clone)]
pub enum QueueOutput {
    /// Give the message to the consumer, who acknowledges it with the tag.
    Deliver { consumer: ConsumerId, tag: DeliveryTag, publication: Arc<Publication> },
    /// Put the message where dead letters go, then say so with
    /// [`Queue::handle_dead_lettered`](super::Queue::handle_dead_lettered).
    DeadLetter { ordinal: Ordinal, reason: DeathReason, deliveries: u32, publication: Arc<Publication> },
    /// Messages whose time was over were dropped. There may be many in a row: a good moment to let others go on.
    Expired { messages: u64 },
    /// Messages were read, and none of them can go out yet. There is more to do after others had their turn.
    Searching,
}

/// Why a message is handed out no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeathReason {
    /// It was delivered as often as the queue allows, and nobody acknowledged it.
    Deliveries,
    /// A consumer said that nobody can do anything with it.
    Rejected,
    /// Its time was over before it was acknowledged.
    Expired,
}

impl DeathReason {
    pub const ALL: [Self; 3] = [Self::Deliveries, Self::Rejected, Self::Expired];

    /// The word for properties, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}
