//! From the log to the consumers: reading ahead, choosing, delivering.

use std::sync::Arc;
use std::time::Duration;

use message::{Now, Publication, limits};

use super::backlog::{Backlog, Ordinal, Stored};
use super::consumers::ConsumerId;
use super::held::{Held, State};
use super::options::Ordering;
use super::output::{DeathReason, DeliveryTag, QueueOutput};
use super::timers::Timer;
use super::{Queue, properties};

impl Queue {
    /// The next thing to do, until there is none. An error of the log leaves everything as it was: ask again later.
    pub fn poll_output<B: Backlog>(&mut self, now: Now, backlog: &mut B) -> Result<Option<QueueOutput>, B::Error> {
        loop {
            if self.consumers.is_anyone_ready() {
                let expired = self.read_ahead(now, backlog)?;
                if expired > 0 {
                    return Ok(Some(QueueOutput::Expired { messages: expired }));
                }
            }
            if let Some(letter) = self.next_dead_letter(backlog)? {
                return Ok(Some(letter));
            }
            if !self.consumers.is_anyone_ready() {
                return Ok(None);
            }
            let Some((ordinal, consumer)) = self.next_pair() else { return Ok(None) };
            let Some(publication) = self.content(ordinal, backlog)? else { continue };
            if publication.expiry_left_s(now.wall) != Some(0) {
                return Ok(self.deliver(now, (ordinal, consumer), publication, backlog));
            }
            if self.options.keep_expired {
                self.die(ordinal, DeathReason::Expired);
            } else {
                self.held.remove(ordinal);
                backlog.acknowledge(&[ordinal]);
                self.figures.expired += 1;
                return Ok(Some(QueueOutput::Expired { messages: 1 }));
            }
        }
    }

    /// The message that goes out next, and who takes it if it is not for whoever's turn it is: one that some cannot take
    /// goes to someone else, before those that came after it.
    fn next_pair(&self) -> Option<(Ordinal, Option<ConsumerId>)> {
        let ready = self.held.first_ready();
        let older = self.held.choosy().take(limits::QUEUE_CHOOSY_MESSAGES_MAX);
        let older = older.take_while(|(priority, at, _)| ready.is_none_or(|ready| (*priority, *at) < ready));
        let mut choices = older.filter_map(|(_, ordinal, refused_by)| {
            self.consumers.first_but(refused_by).map(|consumer| (ordinal, Some(consumer)))
        });
        choices.next().or(ready.map(|(_, ordinal)| (ordinal, None)))
    }

    fn deliver<B: Backlog>(
        &mut self,
        now: Now,
        (ordinal, consumer): (Ordinal, Option<ConsumerId>),
        publication: Arc<Publication>,
        backlog: &mut B,
    ) -> Option<QueueOutput> {
        let consumer = self.consumers.take_turn(consumer)?;
        let delivery = self.held.count_delivery(ordinal, true);
        backlog.note_deliveries(ordinal, delivery);
        self.held.set_state(ordinal, State::InFlight(consumer));
        self.timers.set(ordinal, now.moment + self.options.ack_timeout, Timer::AckDeadline);
        self.figures.delivered += 1;
        self.figures.redelivered += u64::from(delivery > 1);
        Some(QueueOutput::Deliver { consumer, tag: DeliveryTag { ordinal, delivery }, publication })
    }

    fn next_dead_letter<B: Backlog>(&mut self, backlog: &mut B) -> Result<Option<QueueOutput>, B::Error> {
        while let Some(ordinal) = self.dying.front().copied() {
            let dead = self.held.get(ordinal).map(|held| (held.state, held.deliveries));
            let Some((State::Dead(reason), deliveries)) = dead else {
                self.dying.pop_front();
                continue;
            };
            let publication = self.content(ordinal, backlog)?;
            self.dying.pop_front();
            if let Some(publication) = publication {
                return Ok(Some(QueueOutput::DeadLetter { ordinal, reason, deliveries, publication }));
            }
        }
        Ok(None)
    }

    /// The content of a message; `None` when the log has dropped it, and then it is forgotten here as well.
    fn content<B: Backlog>(&mut self, ordinal: Ordinal, backlog: &mut B) -> Result<Option<Arc<Publication>>, B::Error> {
        if let Some(content) = self.held.take_content(ordinal) {
            return Ok(Some(content));
        }
        let mut found = Vec::with_capacity(1);
        backlog.read(ordinal, 1, usize::MAX, &mut found)?;
        let stored = found.pop().filter(|stored| stored.ordinal == ordinal);
        if stored.is_none() {
            self.held.remove(ordinal);
        }
        Ok(stored.map(|stored| stored.publication))
    }

    /// Reads until as much is ready as the options say, or nothing is left. Returns how many messages it dropped as
    /// their time was over; then it may have stopped early.
    fn read_ahead<B: Backlog>(&mut self, now: Now, backlog: &mut B) -> Result<u64, B::Error> {
        let step = self.options.read_step_messages();
        let mut found = Vec::new();
        while self.more
            && self.held.ready_len() + step <= self.options.read_ahead_messages
            && self.held.len() + step <= limits::QUEUE_HELD_MESSAGES_MAX
        {
            let read_on = backlog.read(self.unread, step, limits::QUEUE_READ_BYTES_MAX, &mut found)?;
            self.unread = read_on.from;
            self.more = read_on.more;
            let mut expired = Vec::new();
            for stored in found.drain(..) {
                let drops = !self.options.keep_expired && !self.is_worn_out(stored.deliveries);
                if drops && stored.publication.expiry_left_s(now.wall) == Some(0) {
                    expired.push(stored.ordinal);
                } else {
                    self.take_in(now, stored);
                }
            }
            if !expired.is_empty() {
                backlog.acknowledge(&expired);
                self.figures.expired += expired.len() as u64;
                return Ok(expired.len() as u64);
            }
        }
        Ok(0)
    }

    fn take_in(&mut self, now: Now, stored: Stored) {
        let Stored { ordinal, publication, deliveries } = stored;
        let priority = match self.options.ordering {
            Ordering::Arrival => 0,
            Ordering::Priority => properties::priority(&publication),
        };
        // No longer than the publisher asked for, whatever happened to the clock since.
        let delay = if self.options.has_delay { properties::delay(&publication) } else { Duration::ZERO };
        let wait = (publication.published_at.saturating_add(delay) - now.wall).min(delay);
        let state = if wait.is_zero() { State::Ready } else { State::Delayed };
        self.held.insert(ordinal, Held { priority, deliveries, state, refused_by: Vec::new() });
        if self.is_worn_out(deliveries) {
            self.die(ordinal, DeathReason::Deliveries);
        } else if state == State::Delayed {
            self.timers.set(ordinal, now.moment + wait, Timer::DelayOver);
        } else {
            self.held.keep_content(ordinal, publication, limits::QUEUE_READ_AHEAD_BYTES);
        }
    }
}
