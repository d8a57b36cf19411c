//! A queue: each of its messages goes to one consumer, who keeps it until it is acknowledged, given back, or overdue.
//! The messages themselves lie in a log ([`Backlog`]); here stands who has which, who is next, and what failed.

mod ahead;
mod backlog;
mod consumers;
mod delayed;
mod figures;
mod hand_out;
mod held;
mod look;
mod options;
mod output;
mod properties;
mod settle;
mod spool_backlog;
mod timers;
mod turn;

use std::collections::VecDeque;

use message::{Moment, Now, limits};

pub use backlog::{Backlog, Ordinal, ReadOn, Stored};
use consumers::Consumers;
pub use consumers::{ConsumerId, Room};
use delayed::Delayed;
pub use figures::QueueFigures;
use held::{HeldMessages, State};
pub use look::{MessageState, Peeked, Purged};
pub use options::{Ordering, QueueOptions};
pub use output::{DeathReason, DeliveryTag, QueueOutput};
pub use properties::{
    DEAD_LETTER_DELIVERIES, DEAD_LETTER_QUEUE, DEAD_LETTER_REASON, DELAY, PRIORITY, alive_again, dead_letter,
    user_property,
};
pub use settle::{Nack, SettleError};
pub use spool_backlog::SpoolBacklog;
pub use timers::Timer;
use timers::Timers;
use turn::Instant;

/// A queue, as a plain value with one owner.
///
/// Feed it with `handle_*`, then call [`poll_output`](Self::poll_output) until it yields nothing, and
/// [`handle_timeout`](Self::handle_timeout) at the time that [`poll_timeout`](Self::poll_timeout) names.
///
/// Promises, as long as the log keeps its own:
/// - A message is with one consumer at a time, and comes again unless it was acknowledged, is dead or expired.
/// - Of the messages that may go out the oldest goes first, or the most urgent, as its [`Ordering`] says; one that comes
///   again is as old as it was. A message that was published with a delay counts as published when that is over.
/// - Consumers with room take turns.
///
/// Its memory is bounded by [`limits::QUEUE_HELD_MESSAGES_MAX`] places, [`limits::QUEUE_DELAYED_MESSAGES_KEPT`] of those
/// whose publishers delayed them, and [`limits::QUEUE_READ_AHEAD_BYTES`] of content, whatever the log holds. Any number of
/// messages may be delayed by their publishers. When as many as it has places for are with consumers or were given back to
/// come again later, those behind them wait.
#[derive(Debug)]
pub struct Queue {
    options: QueueOptions,
    held: HeldMessages,
    consumers: Consumers,
    timers: Timers,
    /// Messages that their publishers delayed and that were not handed out.
    delayed: Delayed,
    /// The last message that was read arrived then.
    arrived: Instant,
    /// Messages that died and were not yet put out.
    dying: VecDeque<Ordinal>,
    /// The first place that was not read.
    unread: Ordinal,
    /// There may be something from there on.
    more: bool,
    figures: QueueFigures,
}

impl Queue {
    /// A queue whose messages lie in the log from `oldest` on.
    pub fn new(options: QueueOptions, oldest: Ordinal) -> Self {
        Self {
            options,
            held: HeldMessages::default(),
            consumers: Consumers::default(),
            timers: Timers::default(),
            delayed: Delayed::new(options.delayed_messages_kept),
            arrived: Instant::EARLIEST,
            dying: VecDeque::new(),
            unread: oldest,
            more: true,
            figures: QueueFigures::default(),
        }
    }

    /// The log has got another message.
    pub fn handle_appended(&mut self) {
        self.more = true;
    }

    /// Whether a consumer has room for a message: otherwise one that is new changes nothing.
    pub fn wants_messages(&mut self) -> bool {
        self.consumers.is_anyone_ready()
    }

    /// A consumer came, who takes so much at a time.
    pub fn handle_joined(&mut self, room: impl Into<Room>) -> Result<ConsumerId, TooManyConsumers> {
        if self.consumers.len() >= limits::QUEUE_CONSUMERS_MAX {
            return Err(TooManyConsumers);
        }
        Ok(self.consumers.join(room.into()))
    }

    /// A consumer takes more or less at a time from now on.
    pub fn handle_room(&mut self, consumer: ConsumerId, room: impl Into<Room>) {
        self.consumers.set_room(consumer, room.into());
    }

    /// Where a consumer gets its messages there is no room for another one, until [`Queue::handle_drained`] says so.
    pub fn handle_crowded(&mut self, consumer: ConsumerId) {
        self.consumers.set_crowded(consumer, true);
    }

    /// There is room again where a consumer gets its messages.
    pub fn handle_drained(&mut self, consumer: ConsumerId) {
        self.consumers.set_crowded(consumer, false);
    }

    /// A consumer wants no more, but may still acknowledge what it has.
    pub fn handle_retired(&mut self, consumer: ConsumerId) {
        self.consumers.retire(consumer);
        self.look_for_takers();
    }

    /// A consumer is gone: what it had goes to others, in its old place.
    pub fn handle_left(&mut self, now: Now, consumer: ConsumerId) {
        let had = self.consumers.leave(consumer);
        self.look_for_takers();
        if had == 0 {
            return;
        }
        let of_consumer =
            |(ordinal, held): (Ordinal, &held::Held)| (held.state == State::InFlight(consumer)).then_some(ordinal);
        let left: Vec<Ordinal> = self.held.iter().filter_map(of_consumer).collect();
        for ordinal in left {
            self.try_again(now, ordinal, std::time::Duration::ZERO);
        }
    }

    /// When [`Queue::handle_timeout`] should be called next.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let delay_over = self.delayed.next().map(Instant::moment);
        self.timers.next().into_iter().chain(delay_over).min()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.delayed.look(Instant::of(now.moment));
        while let Some((ordinal, timer)) = self.timers.pop_due(now.moment) {
            match timer {
                Timer::AckDeadline => self.take_back(now, ordinal),
                Timer::DelayOver => self.held.set_state(ordinal, State::Ready),
                Timer::DeadLetterAgain => self.dying.push_back(ordinal),
            }
        }
    }

    /// All counters at this moment.
    pub fn figures(&self) -> QueueFigures {
        let delayed = self.held.delayed_len() as u64 + self.delayed.len();
        QueueFigures { consumers: self.consumers.len(), in_flight: self.held.in_flight_len(), delayed, ..self.figures }
    }

    pub fn options(&self) -> &QueueOptions {
        &self.options
    }

    /// Takes new rules; what is under way keeps to the old ones.
    pub fn set_options(&mut self, options: QueueOptions) {
        self.options = options;
    }
}

/// A consumer beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue has {} consumers, which is the limit: close some first", limits::QUEUE_CONSUMERS_MAX)]
pub struct TooManyConsumers;

#[cfg(test)]
mod tests;
