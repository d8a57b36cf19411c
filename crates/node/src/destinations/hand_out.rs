//! Messages on their way to those who consume a queue or read a stream, and what becomes of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::queue::Nack;
use flow::run::{Outcome, Receipt};
use message::{Publication, limits};
use tokio::sync::mpsc;

/// Hands messages out and hears what became of them.
pub(crate) trait HandsOut: fmt::Debug + Send + Sync + 'static {
    /// Names one delivery of a message.
    type Delivery: fmt::Debug + Copy + Send + Sync;

    /// Takes note of what became of a delivery, from wherever this is called, and acts on it soon.
    fn say(&self, delivery: Self::Delivery, said: Said);
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Done,
    Not(Nack),
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct HandedOut<From: HandsOut> {
    pub(crate) publication: Arc<Publication>,
    pub(crate) ticket: Ticket<From>,
}

/// Where someone gets messages. It must not call back where they come from; it gets no more of them at a time than it said.
pub(crate) trait Sink<From: HandsOut>: Send + fmt::Debug {
    fn deliver(&mut self, message: HandedOut<From>);
}

/// There is room for as many as the receiver takes.
impl<From: HandsOut> Sink<From> for mpsc::Sender<HandedOut<From>> {
    fn deliver(&mut self, message: HandedOut<From>) {
        // One whose receiver is gone is dropped, which gives it back.
        let _ = self.try_send(message);
    }
}

/// Gives a message back as unseen when it is dropped, unless it was taken before.
pub(crate) struct Ticket<From: HandsOut> {
    from: Arc<From>,
    delivery: From::Delivery,
    taken: AtomicBool,
}

impl<From: HandsOut> HandedOut<From> {
    pub(super) fn new(from: &Arc<From>, delivery: From::Delivery, publication: Arc<Publication>) -> Self {
        let ticket = Ticket { from: Arc::clone(from), delivery, taken: AtomicBool::new(false) };
        Self { publication, ticket }
    }

    /// Takes the message for an itinerary of a flow, which has the receipt.
    pub(crate) fn begin(self) -> (Arc<Publication>, From::Delivery, Receipt) {
        let Self { publication, ticket } = self;
        ticket.take();
        let delivery = ticket.delivery;
        let receipt = Receipt::new(move |outcome| {
            ticket.say(match outcome {
                Outcome::Done => Said::Done,
                Outcome::Failed => Said::Not(Nack::Retry { delay: limits::QUEUE_FLOW_RETRY_DELAY }),
            });
        });
        (publication, delivery, receipt)
    }
}

impl<From: HandsOut> Ticket<From> {
    pub(crate) fn delivery(&self) -> From::Delivery {
        self.delivery
    }

    /// Who handed it out.
    pub(crate) fn source(&self) -> &From {
        &self.from
    }

    pub(super) fn say(&self, said: Said) {
        self.from.say(self.delivery, said);
    }

    /// Someone has the message now, and says what became of it, or its delivery does.
    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }
}

impl<From: HandsOut> Drop for Ticket<From> {
    fn drop(&mut self) {
        if !self.taken.load(Ordering::Relaxed) {
            self.say(Said::Not(Nack::Return));
        }
    }
}

impl<From: HandsOut> fmt::Debug for Ticket<From> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}
