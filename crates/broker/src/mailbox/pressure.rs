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
    #[expect(clippy::box_collection, reason = "every message has one, and nearly always it holds nothing")]
    held: Option<Box<Vec<Held>>>,
}

#[derive(Debug)]
enum Held {
    Mailbox(Arc<Mailbox>),
    Log(Arc<Intake>),
}

impl Pressure {
    /// Whether all have drained, or nobody is left to drain them.
    pub fn is_released(&self) -> bool {
        self.held.iter().flat_map(|held| &**held).all(|held| match held {
            Held::Mailbox(mailbox) => !mailbox.is_crowded(),
            Held::Log(log) => !log.is_crowded(),
        })
    }

    /// Like [`Pressure::is_released`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_released(&mut self, waker: &Waker) -> Poll<()> {
        self.retain(|held| match held {
            Held::Mailbox(mailbox) => !mailbox.await_room(waker),
            Held::Log(log) => log.poll_room(waker).is_pending(),
        });
        if self.held.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for no mailbox any more: for a publisher that its own messages may come back to.
    pub fn leave_mailboxes(&mut self) {
        self.retain(|held| matches!(held, Held::Log(_)));
    }

    fn retain(&mut self, is_kept: impl FnMut(&Held) -> bool) {
        self.held.take_if(|held| {
            held.retain(is_kept);
            held.is_empty()
        });
    }

    /// Waits for what `other` waits for as well.
    pub fn merge(&mut self, other: Self) {
        match (&self.held, other.held) {
            (_, None) => {}
            (None, held) => self.held = held,
            (Some(_), Some(held)) => held.into_iter().for_each(|held| self.hold(held)),
        }
    }

    pub(crate) fn add(&mut self, mailbox: &Arc<Mailbox>) {
        self.hold(Held::Mailbox(Arc::clone(mailbox)));
    }

    /// A log took a message: it is waited for if it is crowded.
    pub(crate) fn add_log(&mut self, log: &Arc<Intake>) {
        if log.is_crowded() {
            self.hold(Held::Log(Arc::clone(log)));
        }
    }

    fn hold(&mut self, held: Held) {
        let all = self.held.get_or_insert_default();
        if !all.iter().any(|known| known.is(&held)) {
            all.push(held);
        }
    }
}

impl Held {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mailbox(one), Self::Mailbox(other)) => Arc::ptr_eq(one, other),
            (Self::Log(one), Self::Log(other)) => Arc::ptr_eq(one, other),
            (Self::Mailbox(_) | Self::Log(_), _) => false,
        }
    }
}

impl Future for Pressure {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_released(context.waker())
    }
}
