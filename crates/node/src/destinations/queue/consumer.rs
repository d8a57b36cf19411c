//! Those who consume a queue: where their messages go, and how they say what became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::queue::{ConsumerId, DeliveryTag, Nack};
use flow::run::Outcome;
use message::{Publication, limits};

use super::NodeQueue;
use crate::clock;

/// A message on its way to a consumer.
#[derive(Debug)]
pub(crate) struct HandedOut {
    pub(crate) publication: Arc<Publication>,
    pub(crate) ticket: Ticket,
}

impl HandedOut {
    /// Takes the message for an itinerary of a flow, whose end is to be told to the third of these. The second is which
    /// delivery of the message it is, from 1.
    pub(crate) fn begin(self) -> (Arc<Publication>, u32, impl FnOnce(Outcome) + Send + use<>) {
        let Self { publication, ticket } = self;
        ticket.take();
        let delivery = ticket.tag().delivery;
        let settle = move |outcome| {
            ticket.say(match outcome {
                Outcome::Done => Said::Done,
                Outcome::Failed => Said::Not(Nack::Retry { delay: limits::QUEUE_FLOW_RETRY_DELAY }),
            });
        };
        (publication, delivery, settle)
    }
}

/// Where a consumer gets its messages. It must not call the queue back; it gets no more of them at a time than it said.
pub(crate) trait Sink: Send + fmt::Debug {
    fn deliver(&mut self, message: HandedOut);
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Done,
    Not(Nack),
}

/// Gives a message back as unseen when it is dropped, unless it was taken before.
pub(crate) struct Ticket {
    queue: Arc<NodeQueue>,
    consumer: ConsumerId,
    tag: DeliveryTag,
    taken: AtomicBool,
}

impl Ticket {
    pub(super) fn new(queue: &Arc<NodeQueue>, consumer: ConsumerId, tag: DeliveryTag) -> Self {
        Self { queue: Arc::clone(queue), consumer, tag, taken: AtomicBool::new(false) }
    }

    pub(crate) fn tag(&self) -> DeliveryTag {
        self.tag
    }

    /// Says what became of the message. The queue acts on it soon.
    pub(super) fn say(&self, said: Said) {
        self.queue.said.lock().push((self.consumer, self.tag, said));
        self.queue.work.notify_one();
    }

    /// The consumer has the message now, and says what became of it, or its tag does.
    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.taken.load(Ordering::Relaxed) {
            self.say(Said::Not(Nack::Return));
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("queue", &self.queue.name).field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// A consumer of a queue. When it is dropped, it leaves: what it has not settled goes to others.
pub(crate) struct QueueConsumer {
    queue: Arc<NodeQueue>,
    id: ConsumerId,
    retired: bool,
}

impl QueueConsumer {
    pub(super) fn new(queue: &Arc<NodeQueue>, id: ConsumerId) -> Self {
        Self { queue: Arc::clone(queue), id, retired: false }
    }

    pub(crate) fn id(&self) -> ConsumerId {
        self.id
    }

    /// Takes no more from now on; it leaves when it is dropped.
    pub(crate) fn rest(&self) {
        let mut inside = self.queue.inside.lock();
        inside.machine.handle_retired(self.id);
        let sink = inside.sinks.remove(&self.id);
        drop(inside);
        drop(sink);
    }

    /// Takes no more, but keeps what it has until it has settled it or the time for that is over.
    pub(crate) fn retire(mut self) {
        self.retired = true;
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        let now = clock::now();
        self.queue.hear(now);
        let mut inside = self.queue.inside.lock();
        if self.retired {
            inside.machine.handle_retired(self.id);
        } else {
            inside.machine.handle_left(now, self.id);
        }
        let sink = inside.sinks.remove(&self.id);
        drop(inside);
        drop(sink);
        self.queue.work.notify_one();
    }
}

impl fmt::Debug for QueueConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueConsumer").field("queue", &self.queue.name).field("id", &self.id).finish_non_exhaustive()
    }
}
