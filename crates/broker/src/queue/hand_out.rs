//! From what was read to the consumers: choosing, delivering.

use std::sync::Arc;

use message::{Now, Publication, limits};

use super::backlog::{Backlog, Ordinal};
use super::consumers::ConsumerId;
use super::held::State;
use super::output::{DeathReason, DeliveryTag, QueueOutput};
use super::timers::Timer;
use super::{Queue, properties};

impl Queue {
    /// The next thing to do, until there is none. An error of the log leaves everything as it was: ask again later.
    pub fn poll_output<B: Backlog>(&mut self, now: Now, backlog: &mut B) -> Result<Option<QueueOutput>, B::Error> {
        loop {
            let is_anyone_ready = self.consumers.is_anyone_ready();
            if is_anyone_ready && let Some(output) = self.look_ahead(now, backlog)? {
                return Ok(Some(output));
            }
            if let Some(letter) = self.next_dead_letter(backlog)? {
                return Ok(Some(letter));
            }
            if !is_anyone_ready {
                return Ok(None);
            }
            let Some((ordinal, consumer)) = self.next_pair() else {
                return Ok(self.search(now, backlog)?.then_some(QueueOutput::Searching));
            };
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
        let older = older.take_while(|(place, _)| ready.is_none_or(|ready| *place < ready));
        let mut choices = older.filter_map(|((_, turn), refused_by)| {
            self.consumers.first_but(refused_by).map(|consumer| (turn.ordinal, Some(consumer)))
        });
        choices.next().or(ready.map(|(_, turn)| (turn.ordinal, None)))
    }

    fn deliver<B: Backlog>(
        &mut self,
        now: Now,
        (ordinal, consumer): (Ordinal, Option<ConsumerId>),
        publication: Arc<Publication>,
        backlog: &mut B,
    ) -> Option<QueueOutput> {
        let bytes = publication.weight_bytes();
        let consumer = self.consumers.take_turn(consumer, bytes)?;
        let delivery = self.held.count_delivery(ordinal, true);
        backlog.note_deliveries(ordinal, delivery, properties::is_in_turn(&publication));
        self.held.set_in_flight(ordinal, consumer, bytes);
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
        let messages_max = if self.held.is_ready_close_behind(ordinal) { limits::QUEUE_READ_MESSAGES_MAX } else { 1 };
        let mut found = Vec::with_capacity(messages_max);
        backlog.read(ordinal, messages_max, limits::QUEUE_READ_BYTES_MAX, &mut found)?;
        let mut wanted = None;
        for stored in found {
            if stored.ordinal == ordinal {
                wanted = Some(stored.publication);
            } else if self.held.get(stored.ordinal).is_some_and(|held| held.state == State::Ready) {
                self.held.keep_content(stored.ordinal, stored.publication, limits::QUEUE_READ_AHEAD_BYTES);
            }
        }
        if wanted.is_none() {
            self.held.remove(ordinal);
        }
        Ok(wanted)
    }
}
