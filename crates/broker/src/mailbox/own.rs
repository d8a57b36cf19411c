//! Messages that come from senders of their own, as from queues and streams. They have limits of their own beside what
//! subscriptions bring: a sender whose message finds no room keeps it, and is told when there is room again. So nothing is
//! dropped, nothing is sent again and again, and a mailbox that subscriptions keep full still takes messages of queues.

use std::task::{Poll, Waker};

use message::limits;

use super::{Inside, Mailbox, MailboxOptions};
use crate::delivery::Delivery;

impl Mailbox {
    /// Puts a message in, or drops it when there is no room. Returns whether it was taken and there is room for another one.
    pub(crate) fn push_own(&self, delivery: Delivery) -> bool {
        let mut inside = self.inside.lock();
        if !inside.has_room_for_own(&self.options) {
            return false;
        }
        let was_empty = inside.is_empty();
        inside.queue.push(delivery);
        let has_room = inside.has_room_for_own(&self.options);
        let waker = if was_empty { inside.waker.clone() } else { None };
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        }
        has_room
    }

    /// Whether there is room for a message; if not, `waker` is called when half of it is free again.
    pub(crate) fn poll_room_for_own(&self, waker: &Waker) -> Poll<()> {
        let mut inside = self.inside.lock();
        if inside.has_room_for_own(&self.options) {
            return Poll::Ready(());
        }
        if !inside.own_waiting.iter().any(|held| held.will_wake(waker)) {
            inside.own_waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

impl Inside {
    fn has_room_for_own(&self, options: &MailboxOptions) -> bool {
        let (own, (messages_max, bytes_max)) = (self.queue.own(), own_max(options));
        self.closed.is_none() && self.attended && own.messages < messages_max && own.bytes < bytes_max
    }

    /// Those to wake who wait for room, if half of it is free.
    pub(super) fn release_own(&mut self, options: &MailboxOptions) -> Vec<Waker> {
        let (own, (messages_max, bytes_max)) = (self.queue.own(), own_max(options));
        let is_low = own.messages <= messages_max / 2 && own.bytes <= bytes_max / 2;
        if is_low { std::mem::take(&mut self.own_waiting) } else { Vec::new() }
    }
}

/// At least one message, whatever it weighs.
fn own_max(options: &MailboxOptions) -> (usize, usize) {
    let messages_max = options.messages_max.clamp(1, limits::MAILBOX_OWN_MESSAGES_MAX);
    (messages_max, options.bytes_max.clamp(1, limits::MAILBOX_OWN_BYTES_MAX))
}
