//! What a queue waits for: at most one thing per message.

use std::collections::{BTreeMap, BTreeSet};

use message::Moment;

use super::backlog::Ordinal;

/// The timers of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// A consumer has kept the message for too long: another one gets it.
    AckDeadline,
    /// The message may be delivered now: its publisher, or the consumer who gave it back, asked to wait.
    DelayOver,
    /// The place of dead letters did not take the message: try again.
    DeadLetterAgain,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    in_order: BTreeSet<(Moment, Ordinal)>,
    by_message: BTreeMap<Ordinal, (Moment, Timer)>,
}

impl Timers {
    /// Takes the place of a timer that the message had.
    pub(super) fn set(&mut self, ordinal: Ordinal, at: Moment, timer: Timer) {
        self.cancel(ordinal);
        self.in_order.insert((at, ordinal));
        self.by_message.insert(ordinal, (at, timer));
    }

    pub(super) fn cancel(&mut self, ordinal: Ordinal) {
        if let Some((at, _)) = self.by_message.remove(&ordinal) {
            self.in_order.remove(&(at, ordinal));
        }
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Takes out the first timer that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<(Ordinal, Timer)> {
        let (at, ordinal) = *self.in_order.first()?;
        if at > now {
            return None;
        }
        self.in_order.remove(&(at, ordinal));
        self.by_message.remove(&ordinal).map(|(_, timer)| (ordinal, timer))
    }
}
