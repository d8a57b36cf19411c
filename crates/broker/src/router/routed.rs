//! What the broker tells a publisher about its message.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::mailbox::Pressure;
use crate::promise::{Broken, Promises};

/// What became of a published message. An acknowledgement (PUBACK, PUBREC, an HTTP 2xx) depends on this value: it may
/// leave once the value is settled, which means that every durable destination has the message on disk, and every other
/// one has it and has room for more.
#[derive(Debug, Default)]
#[must_use = "the acknowledgement and the next read depend on it"]
pub struct Routed {
    pub(crate) matched: u32,
    pub(crate) dropped: u32,
    pub(crate) pressure: Pressure,
    pub(crate) promises: Promises,
}

impl Routed {
    /// Subscribers that the message matched, one member of a shared subscription counted once.
    /// Zero is what MQTT 5.0 calls "no matching subscribers" (0x10).
    pub fn matched(&self) -> u32 {
        self.matched
    }

    /// Messages that were dropped for this one, it included, as mailboxes were full.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Whether the message may be acknowledged now.
    pub fn is_settled(&self) -> bool {
        self.is_released() && self.promises.are_settled()
    }

    /// Whether the publisher may bring more: nobody's mailbox is full, and no log is crowded. It need not wait for its message
    /// to be on disk for that.
    pub fn is_released(&self) -> bool {
        self.pressure.is_released()
    }

    /// Once it is settled: why the message must not be acknowledged as taken, if so.
    pub fn broken(&self) -> Option<Broken> {
        self.promises.broken()
    }

    /// Like [`Routed::is_settled`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_settled(&mut self, waker: &Waker) -> Poll<()> {
        // Both are asked, so that the waker is called for either.
        let released = self.pressure.poll_released(waker);
        let kept = self.promises.poll_settled(waker);
        if released.is_ready() { kept } else { Poll::Pending }
    }

    /// Like [`Routed::is_released`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_released(&mut self, waker: &Waker) -> Poll<()> {
        self.pressure.poll_released(waker)
    }

    /// Waits for no mailbox any more: for a publisher whose own messages may come back to it. Logs wait for no publisher.
    pub fn leave_mailboxes(&mut self) {
        self.pressure.leave_mailboxes();
    }

    /// What is left to wait for when its publisher is gone and holds nobody up any more.
    pub fn into_promises(self) -> Promises {
        self.promises
    }

    /// Joins the next message's outcome to this one, for a publisher that waits once per batch.
    pub fn merge(&mut self, other: Self) {
        self.matched = self.matched.saturating_add(other.matched);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.pressure.merge(other.pressure);
        self.promises.merge(other.promises);
    }
}

impl Future for Routed {
    type Output = Result<(), Broken>;

    /// Resolves when the message may be acknowledged, or must be refused.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_settled(context.waker()).map(|()| self.broken().map_or(Ok(()), Err))
    }
}
