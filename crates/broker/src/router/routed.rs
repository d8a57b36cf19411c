//! What the broker tells a publisher about its message.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::mailbox::Pressure;

/// What became of a published message. An acknowledgement (PUBACK, PUBREC, an HTTP 2xx) depends on this value: it may
/// leave once the value is settled, which means that every destination has the message and has room for more.
/// Every destination is in memory today; one that is durable settles when its message is on disk, and nothing changes
/// for those who wait here.
#[derive(Debug, Default)]
#[must_use = "the acknowledgement and the next read depend on it"]
pub struct Routed {
    pub(crate) matched: u32,
    pub(crate) dropped: u32,
    pub(crate) pressure: Pressure,
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
        self.pressure.is_released()
    }

    /// Like [`Routed::is_settled`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_settled(&mut self, waker: &Waker) -> Poll<()> {
        self.pressure.poll_released(waker)
    }

    /// Joins the next message's outcome to this one, for a publisher that waits once per batch.
    pub fn merge(&mut self, other: Self) {
        self.matched = self.matched.saturating_add(other.matched);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.pressure.merge(other.pressure);
    }
}

impl Future for Routed {
    type Output = ();

    /// Resolves when the message may be acknowledged.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_settled(context.waker())
    }
}
