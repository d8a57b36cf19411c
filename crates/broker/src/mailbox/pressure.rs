//! What a publisher waits for when its message went into a mailbox that is full, or to a log whose committer has enough.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use store::log::Intake;

use super::Mailbox;

/// Mailboxes that took a message and are full, and logs that are crowded: whoever published it should read and acknowledge
/// no more until they have drained. Dropping it is allowed at any time, as when the publisher's connection closes.
#[derive(Debug, Default)]
#[must_use = "a publisher that does not wait fills the mailbox up to its hard limit"]
pub struct Pressure {
    held: Vec<Held>,
}

#[derive(Debug)]
enum Held {
    Mailbox(Arc<Mailbox>),
    Log(Arc<Intake>),
}

impl Pressure {
    /// Whether all have drained, or nobody is left to drain them.
    pub fn is_released(&self) -> bool {
        self.held.iter().all(|held| match held {
            Held::Mailbox(mailbox) => !mailbox.is_crowded(),
            Held::Log(log) => !log.is_crowded(),
        })
    }

    /// Like [`Pressure::is_released`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_released(&mut self, waker: &Waker) -> Poll<()> {
        self.held.retain(|held| match held {
            Held::Mailbox(mailbox) => !mailbox.await_room(waker),
            Held::Log(log) => log.poll_room(waker).is_pending(),
        });
        if self.held.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for no mailbox any more: for a publisher that its own messages may come back to.
    pub fn leave_mailboxes(&mut self) {
        self.held.retain(|held| matches!(held, Held::Log(_)));
    }

    /// Waits for what `other` waits for as well.
    pub fn merge(&mut self, other: Self) {
        for held in other.held {
            match held {
                Held::Mailbox(mailbox) => self.add(&mailbox),
                Held::Log(log) => self.add_log(&log),
            }
        }
    }

    pub(crate) fn add(&mut self, mailbox: &Arc<Mailbox>) {
        if !self.held.iter().any(|held| matches!(held, Held::Mailbox(held) if Arc::ptr_eq(held, mailbox))) {
            self.held.push(Held::Mailbox(Arc::clone(mailbox)));
        }
    }

    /// A log took a message: it is waited for if it is crowded.
    pub(crate) fn add_log(&mut self, log: &Arc<Intake>) {
        if log.is_crowded() && !self.held.iter().any(|held| matches!(held, Held::Log(held) if Arc::ptr_eq(held, log))) {
            self.held.push(Held::Log(Arc::clone(log)));
        }
    }
}

impl Future for Pressure {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_released(context.waker())
    }
}
