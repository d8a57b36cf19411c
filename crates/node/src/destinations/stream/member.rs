//! Those who read a stream as members of a group: where their messages go, and how they say what became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::queue::{ConsumerId, DeliveryTag, Nack};
use message::Publication;
use store::stream::Offset;

use super::group::Group;

/// A message of a stream on its way to a reader. User properties say where it stands.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) publication: Arc<Publication>,
    pub(crate) ticket: StreamTicket,
}

/// Where a reader gets its messages. It must not call the stream back; it gets no more of them at a time than it said.
pub(crate) trait StreamSink: Send + fmt::Debug {
    fn deliver(&mut self, message: Handed);
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Done,
    Not(Nack),
}

/// Names a delivery. Those of before a seek mean nothing after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeliveryName {
    pub(super) round: u64,
    pub(super) consumer: ConsumerId,
    pub(super) tag: DeliveryTag,
}

/// Gives a message back as unseen when it is dropped, unless it was taken before.
pub(crate) struct StreamTicket {
    group: Arc<Group>,
    name: DeliveryName,
    taken: AtomicBool,
}

impl StreamTicket {
    pub(super) fn new(group: &Arc<Group>, name: DeliveryName) -> Self {
        Self { group: Arc::clone(group), name, taken: AtomicBool::new(false) }
    }

    /// Where the message stands in its stream.
    pub(crate) fn offset(&self) -> Offset {
        Offset(self.name.tag.ordinal.0)
    }

    /// Says what became of the message. The group acts on it soon.
    pub(crate) fn say(&self, said: Said) {
        self.group.say(self.name, said);
    }

    /// The reader has the message now, and says what became of it.
    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }
}

impl Drop for StreamTicket {
    fn drop(&mut self) {
        if !self.taken.load(Ordering::Relaxed) {
            self.say(Said::Not(Nack::Return));
        }
    }
}

impl fmt::Debug for StreamTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTicket").field("offset", &self.offset()).finish_non_exhaustive()
    }
}

/// A member of a group. When it is dropped, it leaves: what it has not acknowledged goes to others.
pub(crate) struct StreamMember {
    pub(super) group: Arc<Group>,
    pub(super) id: u64,
}

impl StreamMember {
    /// Takes no more from now on, but keeps what it has until it has settled it or leaves.
    pub(super) fn rest(&self) {
        self.group.rest(self.id);
    }
}

impl Drop for StreamMember {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

impl fmt::Debug for StreamMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamMember").field("id", &self.id).finish_non_exhaustive()
    }
}
