//! What consumers say about their messages, and what follows from it.

use std::time::Duration;

use message::{Now, limits};

use super::backlog::{Backlog, Ordinal};
use super::consumers::ConsumerId;
use super::held::State;
use super::output::{DeathReason, DeliveryTag};
use super::timers::Timer;
use super::{Queue, QueueFigures};

/// What a consumer wants done with a message that it did not work off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nack {
    /// Give it to someone else, not before the span is over.
    Retry { delay: Duration },
    /// Nobody can do anything with it: it is dead at once.
    Reject,
    /// The consumer never saw it: as if it had not been delivered.
    Return,
    /// This consumer cannot take it, others may. When nobody is left it counts as a delivery that failed, or it is dead, as
    /// the queue's options say.
    PassOn,
}

/// Why something said about a message had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    #[error("the consumer does not have this message: it was settled before, or never delivered to it")]
    NotHeld,
    #[error("the message was kept for longer than the queue's ack timeout and went to another consumer")]
    TooLate,
}

impl Queue {
    /// The consumer has worked the message off: it is gone for good. Late is not too late as long as nobody else got
    /// the message.
    pub fn handle_acknowledged<B: Backlog>(
        &mut self,
        consumer: ConsumerId,
        tag: DeliveryTag,
        backlog: &mut B,
    ) -> Result<B::Commit, SettleError> {
        self.settle(consumer, tag)?;
        self.held.remove(tag.ordinal);
        self.figures.acknowledged += 1;
        Ok(backlog.acknowledge(&[tag.ordinal]))
    }

    /// The consumer has not worked the message off.
    pub fn handle_nack<B: Backlog>(
        &mut self,
        now: Now,
        consumer: ConsumerId,
        tag: DeliveryTag,
        nack: Nack,
        backlog: &mut B,
    ) -> Result<(), SettleError> {
        self.settle(consumer, tag)?;
        match nack {
            Nack::Retry { delay } => self.try_again(now, tag.ordinal, delay.min(limits::SETTING_SPAN_MAX)),
            Nack::Reject => self.die(tag.ordinal, DeathReason::Rejected),
            Nack::Return => self.return_unseen(tag.ordinal, backlog),
            Nack::PassOn => self.pass_on(now, consumer, tag.ordinal, backlog),
        }
        Ok(())
    }

    fn return_unseen<B: Backlog>(&mut self, ordinal: Ordinal, backlog: &mut B) {
        let deliveries = self.held.count_delivery(ordinal, false);
        let in_turn = self.held.get(ordinal).is_none_or(|held| held.in_turn);
        backlog.note_deliveries(ordinal, deliveries, in_turn);
        self.held.set_state(ordinal, State::Ready);
    }

    fn pass_on<B: Backlog>(&mut self, now: Now, consumer: ConsumerId, ordinal: Ordinal, backlog: &mut B) {
        let Some(held) = self.held.get(ordinal) else { return };
        let mut refused_by = held.refused_by.clone();
        refused_by.push(consumer);
        if refused_by.len() < limits::QUEUE_REFUSALS_MAX && self.consumers.has_other_than(&refused_by) {
            self.held.set_refused_by(ordinal, refused_by);
            self.return_unseen(ordinal, backlog);
            return;
        }
        self.held.set_refused_by(ordinal, Vec::new());
        if self.options.dies_when_all_refuse {
            self.die(ordinal, DeathReason::Rejected);
        } else {
            self.try_again(now, ordinal, limits::QUEUE_MQTT_RETRY_DELAY);
        }
    }

    /// Consumers have gone, for whom messages may have waited that the others cannot take.
    pub(super) fn look_for_takers(&mut self) {
        let choosy: Vec<_> =
            self.held.choosy().map(|((_, turn), refused_by)| (turn.ordinal, refused_by.to_vec())).collect();
        for (ordinal, mut refused_by) in choosy {
            refused_by.retain(|id| self.consumers.is_taking(*id));
            let is_refused_by_all = !refused_by.is_empty() && !self.consumers.has_other_than(&refused_by);
            let dies = is_refused_by_all && self.options.dies_when_all_refuse;
            self.held.set_refused_by(ordinal, if is_refused_by_all { Vec::new() } else { refused_by });
            if dies {
                self.die(ordinal, DeathReason::Rejected);
            }
        }
    }

    /// A dead letter that was put out is where it belongs, or has to be put out again.
    pub fn handle_dead_lettered<B: Backlog>(&mut self, now: Now, ordinal: Ordinal, stored: bool, backlog: &mut B) {
        let Some(State::Dead(reason)) = self.held.get(ordinal).map(|held| held.state) else { return };
        if !stored {
            self.timers.set(ordinal, now.moment + limits::QUEUE_DEAD_LETTER_RETRY, Timer::DeadLetterAgain);
            return;
        }
        QueueFigures::count_dead_letter(&mut self.figures, reason);
        self.held.remove(ordinal);
        backlog.acknowledge(&[ordinal]);
    }

    /// Frees the consumer's room, and the message for what is to become of it.
    fn settle(&mut self, consumer: ConsumerId, tag: DeliveryTag) -> Result<(), SettleError> {
        let held = self.held.get(tag.ordinal).filter(|held| held.deliveries == tag.delivery);
        let (held, bytes) = (held.map(|held| held.state), held.map_or(0, |held| held.bytes));
        if held == Some(State::InFlight(consumer)) {
            self.consumers.give_back(consumer, bytes);
        } else if self.consumers.settle_overdue(consumer, tag) {
            if !matches!(held, Some(State::Ready | State::Delayed)) {
                return Err(SettleError::TooLate);
            }
        } else {
            return Err(SettleError::NotHeld);
        }
        self.timers.cancel(tag.ordinal);
        Ok(())
    }

    /// The consumer had its time.
    pub(super) fn take_back(&mut self, now: Now, ordinal: Ordinal) {
        let Some(held) = self.held.get(ordinal) else { return };
        let State::InFlight(consumer) = held.state else { return };
        self.consumers.overdue(consumer, DeliveryTag { ordinal, delivery: held.deliveries }, held.bytes);
        self.figures.timed_out += 1;
        self.try_again(now, ordinal, Duration::ZERO);
    }

    /// The delivery failed: the message comes again, or it is dead.
    pub(super) fn try_again(&mut self, now: Now, ordinal: Ordinal, delay: Duration) {
        self.timers.cancel(ordinal);
        let Some(held) = self.held.get(ordinal) else { return };
        if self.is_worn_out(held.deliveries) {
            self.die(ordinal, DeathReason::Deliveries);
        } else if delay.is_zero() {
            self.held.set_state(ordinal, State::Ready);
        } else {
            self.held.set_state(ordinal, State::Delayed);
            self.timers.set(ordinal, now.moment + delay, Timer::DelayOver);
        }
    }

    pub(super) fn die(&mut self, ordinal: Ordinal, reason: DeathReason) {
        self.timers.cancel(ordinal);
        self.held.set_state(ordinal, State::Dead(reason));
        self.dying.push_back(ordinal);
    }

    pub(super) fn is_worn_out(&self, deliveries: u32) -> bool {
        self.options.deliveries_max > 0 && deliveries >= self.options.deliveries_max
    }
}
