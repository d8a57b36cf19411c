//! Messages on their way to those who consume a queue or read a stream, and what becomes of them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use broker::queue::Nack;
use flow::run::{Outcome, Receipt};
use message::{Publication, limits};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

/// Hands messages out and hears what became of them.
pub(crate) trait HandsOut: fmt::Debug + Send + Sync + 'static {
    /// Names one delivery of a message.
    type Delivery: fmt::Debug + Copy + Send + Sync;

    /// Takes note of what became of a delivery, from wherever this is called, and acts on it soon.
    fn say(&self, delivery: Self::Delivery, said: Said);

    /// Takes note that there may be room again where one of those gets its messages to whom it hands out.
    fn note_room(&self, taker: u64);
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

/// Where someone gets messages. It must not call back where they come from.
pub(crate) trait Sink<From: HandsOut>: Send + fmt::Debug {
    /// Takes a message, or drops it if there is no room, which gives it back. Returns whether it was taken and there is room
    /// for another one.
    fn deliver(&mut self, message: HandedOut<From>) -> bool;

    /// Whether there is room for a message; if not, `waker` is called when it is worth asking again.
    fn poll_room(&mut self, waker: &Waker) -> Poll<()>;
}

/// A channel, which has room for as many as its receiver takes at a time: more come only when a reader is moved while it
/// has some of before.
#[derive(Debug)]
pub(crate) struct ChannelSink<From: HandsOut> {
    sender: mpsc::Sender<HandedOut<From>>,
    room: PollSender<HandedOut<From>>,
}

impl<From: HandsOut> ChannelSink<From> {
    pub(crate) fn new(sender: mpsc::Sender<HandedOut<From>>) -> Box<Self> {
        Box::new(Self { room: PollSender::new(sender.clone()), sender })
    }
}

impl<From: HandsOut> Sink<From> for ChannelSink<From> {
    fn deliver(&mut self, message: HandedOut<From>) -> bool {
        self.sender.try_send(message).is_ok()
    }

    fn poll_room(&mut self, waker: &Waker) -> Poll<()> {
        match self.room.poll_reserve(&mut Context::from_waker(waker)) {
            Poll::Ready(Ok(())) => {
                self.room.abort_send();
                Poll::Ready(())
            }
            // Nobody takes what comes any more.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Someone who gets messages, and how the source hears that there is room again.
#[derive(Debug)]
pub(super) struct Taker<From: HandsOut> {
    sink: Box<dyn Sink<From>>,
    waker: Waker,
}

struct RoomNote<From> {
    from: Weak<From>,
    taker: u64,
}

impl<From: HandsOut> Wake for RoomNote<From> {
    fn wake(self: Arc<Self>) {
        if let Some(from) = self.from.upgrade() {
            from.note_room(self.taker);
        }
    }
}

impl<From: HandsOut> Taker<From> {
    pub(super) fn new(from: &Arc<From>, taker: u64, sink: Box<dyn Sink<From>>) -> Self {
        let waker = Waker::from(Arc::new(RoomNote { from: Arc::downgrade(from), taker }));
        Self { sink, waker }
    }

    /// Hands a message over. Returns false when no other is to be handed over before the source was told that there is room:
    /// this one may have found none, and then gives itself back before that.
    pub(super) fn hand_over(&mut self, message: HandedOut<From>) -> bool {
        let has_room = self.sink.deliver(message);
        if !has_room && self.has_room() {
            self.waker.wake_by_ref();
        }
        has_room
    }

    /// Whether there is room; if not, the source is told when there is.
    pub(super) fn has_room(&mut self) -> bool {
        self.sink.poll_room(&self.waker).is_ready()
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

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Bytes, QoS, Timestamp, TopicName};
    use parking_lot::Mutex;

    #[derive(Debug, Default)]
    struct Source(Mutex<Vec<String>>);

    impl HandsOut for Source {
        type Delivery = u64;

        fn say(&self, delivery: u64, said: Said) {
            self.0.lock().push(format!("{delivery} {said:?}"));
        }

        fn note_room(&self, taker: u64) {
            self.0.lock().push(format!("room of {taker}"));
        }
    }

    #[test]
    fn what_finds_no_room_is_given_back_before_the_source_is_told_that_there_is_some() {
        let source = Arc::<Source>::default();
        let topic = TopicName::parse("a").unwrap();
        let publication = Arc::new(Publication::new(topic, Bytes::new(), QoS::AtLeastOnce, Timestamp::MIN));
        let handed = |number| HandedOut::new(&source, number, Arc::clone(&publication));
        let (sender, mut arriving) = mpsc::channel(2);
        let mut taker = Taker::new(&source, 7, ChannelSink::new(sender));
        assert_eq!([0, 1, 2].map(|number| taker.hand_over(handed(number))), [true, true, false]);
        assert_eq!(*source.0.lock(), ["2 Not(Return)"]);
        assert!(!taker.has_room());
        arriving.try_recv().unwrap().ticket.take();
        assert_eq!(*source.0.lock(), ["2 Not(Return)", "room of 7"]);
        assert!(taker.has_room());
        assert!(taker.hand_over(handed(2)));
        drop(arriving);
        assert!(!taker.hand_over(handed(3)));
        assert!(!taker.has_room());
        assert_eq!(source.0.lock()[2..], ["1 Not(Return)", "2 Not(Return)", "3 Not(Return)"]);
    }
}
