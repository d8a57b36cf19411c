//! The mailbox of a subscriber whose messages lie on disk as well. While its owner keeps up, all that waits is here too
//! and nothing is read; when the owner is away or slow, only the disk has the rest, and the owner reads it from there
//! until it has caught up. So a backlog of any size costs no memory.

use message::DestinationId;
use store::spool::Ordinal;

use super::{Inside, Mailbox, MailboxOptions};
use crate::delivery::{Delivery, Place};
use crate::router::Wakes;
use crate::subscription::SubscriberId;

/// How what lies on disk goes on where the queue ends.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// What is not in the queue begins there; `None` while all is in it.
    from: Option<Ordinal>,
    /// What the next message on disk gets, as far as this mailbox was told.
    next: Ordinal,
}

/// What is left when a part was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    All,
    More,
    /// The rest is to be read from the disk, from this place on; say how far with [`Mailbox::read_up_to`].
    OnDisk(Ordinal),
}

impl Tail {
    pub(super) fn after_queue(&self) -> Drained {
        self.from.map_or(Drained::All, Drained::OnDisk)
    }
}

impl Mailbox {
    /// A mailbox for messages that lie on disk from `from` on; the next one there will be `next`.
    pub(crate) fn on_disk(
        id: SubscriberId,
        options: MailboxOptions,
        destination: DestinationId,
        from: Ordinal,
        next: Ordinal,
    ) -> Self {
        let tail = Tail { from: (from < next).then_some(from), next };
        Self::with_tail(id, options, Some(destination), tail)
    }

    /// Where messages for this mailbox lie on disk.
    pub(crate) fn destination(&self) -> Option<DestinationId> {
        self.destination
    }

    /// Puts in a message that was just placed on disk. Called in the order of the places.
    pub(crate) fn push_placed(&self, delivery: Delivery, place: Place, wakes: &mut Wakes) {
        let mut inside = self.inside.lock();
        inside.tail.next = place.ordinal.next();
        if inside.closed.is_some() || inside.tail.from.is_some() {
            return;
        }
        let was_empty = inside.is_empty();
        if inside.attended
            && inside.queue.fits(delivery.weight_bytes as usize, self.options.messages_max, self.options.bytes_max)
        {
            inside.queue.push(Delivery { place: Some(place), ..delivery });
        } else {
            inside.tail.from = Some(place.ordinal);
        }
        let waker = if was_empty && inside.attended { inside.waker.clone() } else { None };
        drop(inside);
        if let Some(waker) = waker {
            wakes.wake(waker);
        }
    }

    /// The owner has read from the disk all up to `from`. Returns whether more is to be read.
    pub(crate) fn read_up_to(&self, from: Ordinal) -> bool {
        let mut inside = self.inside.lock();
        inside.tail.from = (from < inside.tail.next).then_some(from);
        inside.tail.from.is_some()
    }

    /// Nobody is there to drain: what is on disk is left to the disk, from `staged` on if that was taken out and not
    /// sent.
    pub(crate) fn leave_to_disk(&self, staged: Option<Ordinal>) {
        let mut inside = self.inside.lock();
        let left = inside.queue.take_if(|delivery| delivery.place.is_some());
        let first = left.first().and_then(|delivery| delivery.place).map(|place| place.ordinal);
        inside.leave_from(staged.or(first));
    }
}

impl Inside {
    fn leave_from(&mut self, first: Option<Ordinal>) {
        if let Some(first) = first {
            let from = self.tail.from.map_or(first, |from| from.min(first));
            self.tail.from = Some(from);
        }
    }
}
