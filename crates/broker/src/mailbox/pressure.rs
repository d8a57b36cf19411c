//! What a publisher waits for when its message went into a mailbox that is full.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Mailbox;

/// Mailboxes that took a message and are full: whoever published it should read and acknowledge no more until they
/// have drained. Dropping it is allowed at any time, as when the publisher's connection closes.
#[derive(Debug, Default)]
#[must_use = "a publisher that does not wait fills the mailbox up to its hard limit"]
pub struct Pressure {
    mailboxes: Vec<Arc<Mailbox>>,
}

impl Pressure {
    /// Whether all have drained, or nobody is left to drain them.
    pub fn is_released(&self) -> bool {
        self.mailboxes.iter().all(|mailbox| !mailbox.is_crowded())
    }

    /// Like [`Pressure::is_released`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_released(&mut self, waker: &Waker) -> Poll<()> {
        self.mailboxes.retain(|mailbox| !mailbox.await_room(waker));
        if self.mailboxes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for what `other` waits for as well.
    pub fn merge(&mut self, other: Self) {
        for mailbox in other.mailboxes {
            self.add(&mailbox);
        }
    }

    pub(crate) fn add(&mut self, mailbox: &Arc<Mailbox>) {
        if !self.mailboxes.iter().any(|held| Arc::ptr_eq(held, mailbox)) {
            self.mailboxes.push(Arc::clone(mailbox));
        }
    }
}

impl Future for Pressure {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_released(context.waker())
    }
}
