//! From the log into view: reading ahead, and finding those whose delay is over.

use std::cmp::Reverse;

use message::{Now, Publication, limits};

use super::backlog::{Backlog, Stored};
use super::delayed::Kept;
use super::held::{Held, State};
use super::options::Ordering;
use super::output::{DeathReason, QueueOutput};
use super::turn::{Instant, Turn};
use super::{Queue, properties};

/// What came of reading ahead.
struct Read {
    /// Messages that were dropped, as their time was over.
    expired: u64,
    /// There is room for more, and there may be more.
    unfinished: bool,
}

impl Queue {
    /// Makes sure that the message that goes out next is among those that are ready, or says what to do first.
    pub(super) fn look_ahead<B: Backlog>(
        &mut self,
        now: Now,
        backlog: &mut B,
    ) -> Result<Option<QueueOutput>, B::Error> {
        let read = self.read_ahead(now, backlog)?;
        if read.expired > 0 {
            return Ok(Some(QueueOutput::Expired { messages: read.expired }));
        }
        self.delayed.look(Instant::of(now.moment));
        while self.delayed.first_due().is_some_and(|turn| self.is_next(turn) || self.is_close(turn))
            && let Some((turn, kept)) = self.delayed.take_first()
        {
            let Kept { priority, deliveries } = kept;
            let Turn { since, ordinal } = turn;
            let held = Held {
                priority,
                since,
                in_turn: false,
                deliveries,
                state: State::Ready,
                bytes: 0,
                refused_by: Vec::new(),
            };
            self.held.insert(ordinal, held);
        }
        if self.delayed.first_to_find().is_some_and(|turn| self.is_next(turn)) && self.search(now, backlog)? {
            return Ok(Some(QueueOutput::Searching));
        }
        let is_too_early = self.options.ordering == Ordering::Priority || self.held.ready_len() == 0;
        Ok((read.unfinished && is_too_early).then_some(QueueOutput::Searching))
    }

    /// Whether a message whose delay is over comes before all that are ready and all that were not read.
    fn is_next(&self, turn: Turn) -> bool {
        let is_before = |(_, ready): (Reverse<u8>, Turn)| turn < ready;
        match self.options.ordering {
            Ordering::Arrival => self.is_reached(turn) && self.held.first_ready().is_none_or(is_before),
            Ordering::Priority => self.is_close(turn),
        }
    }

    /// Whether it may stand among those that are ready.
    fn is_close(&self, turn: Turn) -> bool {
        let has_room = self.held.ready_len() < self.options.read_ahead_messages;
        has_room && (self.options.ordering == Ordering::Priority || self.is_reached(turn))
    }

    /// Whether there is a place for it, and all that is older was read.
    fn is_reached(&self, turn: Turn) -> bool {
        self.held.len() < limits::QUEUE_HELD_MESSAGES_MAX && (turn.since <= self.arrived || !self.more)
    }

    /// Reads until as much is ready as the options say, nothing is left, or others should have their turn.
    fn read_ahead<B: Backlog>(&mut self, now: Now, backlog: &mut B) -> Result<Read, B::Error> {
        let step = self.options.read_step_messages();
        let mut found = Vec::new();
        for _ in 0..limits::QUEUE_READS_MAX {
            if !self.has_room_for(step) {
                return Ok(Read { expired: 0, unfinished: false });
            }
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
                return Ok(Read { expired: expired.len() as u64, unfinished: true });
            }
        }
        Ok(Read { expired: 0, unfinished: self.has_room_for(step) })
    }

    fn has_room_for(&self, step: usize) -> bool {
        self.more
            && self.held.ready_len() + step <= self.options.read_ahead_messages
            && self.held.len() + step <= limits::QUEUE_HELD_MESSAGES_MAX
    }

    fn take_in(&mut self, now: Now, stored: Stored) {
        let (arrived, since) = self.times(now, &stored, self.arrived);
        self.arrived = arrived;
        let Stored { ordinal, publication, deliveries } = stored;
        let (priority, is_worn_out) = (self.priority(&publication), self.is_worn_out(deliveries));
        if since > arrived && !is_worn_out {
            self.delayed.insert(Turn { since, ordinal }, Kept { priority, deliveries });
            return;
        }
        let in_turn = properties::is_in_turn(&publication);
        let held = Held { priority, since, in_turn, deliveries, state: State::Ready, bytes: 0, refused_by: Vec::new() };
        self.held.insert(ordinal, held);
        if is_worn_out {
            self.die(ordinal, DeathReason::Deliveries);
        } else {
            self.held.keep_content(ordinal, publication, limits::QUEUE_READ_AHEAD_BYTES);
        }
    }

    /// Reads a part of the log once more, for delayed messages that had no place in memory. Whether there was one to read.
    pub(super) fn search<B: Backlog>(&mut self, now: Now, backlog: &mut B) -> Result<bool, B::Error> {
        let Some((from, to)) = self.delayed.search() else { return Ok(false) };
        let mut found = Vec::new();
        let read_on = backlog.read(from, limits::QUEUE_READ_MESSAGES_MAX, limits::QUEUE_READ_BYTES_MAX, &mut found)?;
        for stored in found.into_iter().filter(|stored| stored.ordinal < to) {
            let (arrived, since) = self.times(now, &stored, self.delayed.search_arrived());
            if since > arrived && self.held.get(stored.ordinal).is_none() {
                let kept = Kept { priority: self.priority(&stored.publication), deliveries: stored.deliveries };
                self.delayed.found(arrived, Turn { since, ordinal: stored.ordinal }, kept);
            }
        }
        self.delayed.searched(read_on.from, read_on.more);
        Ok(true)
    }

    /// When a message arrived, behind what arrived before it, and since when it may go out.
    fn times(&self, now: Now, stored: &Stored, before: Instant) -> (Instant, Instant) {
        if !self.options.has_delay {
            return (Instant::EARLIEST, Instant::EARLIEST);
        }
        let publication = &stored.publication;
        let arrived = Instant::of_arrival(now, publication.published_at, before);
        (arrived, arrived.after(properties::delay(publication)))
    }

    fn priority(&self, publication: &Publication) -> u8 {
        match self.options.ordering {
            Ordering::Arrival => 0,
            Ordering::Priority => properties::priority(publication),
        }
    }
}
