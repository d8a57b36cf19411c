//! What a person does to a queue: looking at messages without taking them, and throwing them away.

use message::{Now, limits};

use super::backlog::{Backlog, Ordinal, ReadOn, Stored};
use super::consumers::ConsumerId;
use super::held::State;
use super::{Queue, properties};

/// A message that someone looks at.
#[derive(Debug, Clone)]
pub struct Peeked {
    pub stored: Stored,
    pub state: MessageState,
}

/// What a message of a queue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Its turn.
    Waiting,
    /// The end of its delay.
    Delayed,
    /// A consumer's word.
    InFlight(ConsumerId),
    /// A place among the dead letters.
    Dead,
}

/// One step of throwing away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    pub messages: u64,
    /// Ask again: there are more.
    pub more: bool,
}

impl Queue {
    /// Messages from a place on, as [`Backlog::read`] finds them, and what each waits for. It takes nothing.
    pub fn peek<B: Backlog>(
        &self,
        now: Now,
        from: Ordinal,
        messages_max: usize,
        bytes_max: usize,
        backlog: &mut B,
        out: &mut Vec<Peeked>,
    ) -> Result<ReadOn, B::Error> {
        let mut found = Vec::new();
        let read_on = backlog.read(from, messages_max, bytes_max, &mut found)?;
        out.extend(found.into_iter().map(|mut stored| {
            let held = self.held.get(stored.ordinal);
            stored.deliveries = held.map_or(stored.deliveries, |held| held.deliveries);
            let state = match held.map(|held| held.state) {
                None if self.is_delayed(now, &stored) => MessageState::Delayed,
                None | Some(State::Ready) => MessageState::Waiting,
                Some(State::Delayed) => MessageState::Delayed,
                Some(State::InFlight(consumer)) => MessageState::InFlight(consumer),
                Some(State::Dead(_)) => MessageState::Dead,
            };
            Peeked { stored, state }
        }));
        Ok(read_on)
    }

    /// Whether the publisher's delay of a message that was not handed out is not over.
    fn is_delayed(&self, now: Now, stored: &Stored) -> bool {
        let publication = &stored.publication;
        let until = publication.published_at.saturating_add(properties::delay(publication));
        self.options.has_delay && until > now.wall
    }

    /// Throws away messages before `until`, as many as one step takes. Those that consumers have stay.
    pub fn handle_purge<B: Backlog>(&mut self, until: Ordinal, backlog: &mut B) -> Result<Purged, B::Error> {
        let mut gone: Vec<Ordinal> = Vec::new();
        let idle = |state| !matches!(state, State::InFlight(_));
        gone.extend(self.held.iter().filter(|(at, held)| *at < until && idle(held.state)).map(|(at, _)| at));
        gone.extend(self.delayed.take_before(until));
        let more = match self.delayed.beyond().filter(|(from, _)| *from < until) {
            Some((from, to)) => {
                let beyond = self.beyond_between(from, to.min(until), backlog)?;
                gone.extend(beyond);
                true
            }
            None => self.purge_unread(until, backlog, &mut gone)?,
        };
        for ordinal in &gone {
            self.timers.cancel(*ordinal);
            self.held.remove(*ordinal);
        }
        backlog.acknowledge(&gone);
        self.figures.purged += gone.len() as u64;
        Ok(Purged { messages: gone.len() as u64, more })
    }

    /// Some of the delayed messages that are not kept in memory.
    fn beyond_between<B: Backlog>(
        &mut self,
        from: Ordinal,
        to: Ordinal,
        backlog: &mut B,
    ) -> Result<Vec<Ordinal>, B::Error> {
        let mut found = Vec::new();
        let read_on =
            backlog.read(from, limits::QUEUE_PURGE_STEP_MESSAGES, limits::QUEUE_READ_AHEAD_BYTES, &mut found)?;
        let until = if read_on.more { read_on.from.min(to) } else { to };
        let places = found.into_iter().map(|stored| stored.ordinal);
        let beyond: Vec<Ordinal> = places.filter(|at| *at < until && self.held.get(*at).is_none()).collect();
        self.delayed.gone_beyond(until, beyond.len() as u64);
        Ok(beyond)
    }

    /// Passes over some messages that were not read. Whether there are more.
    fn purge_unread<B: Backlog>(
        &mut self,
        until: Ordinal,
        backlog: &mut B,
        gone: &mut Vec<Ordinal>,
    ) -> Result<bool, B::Error> {
        if self.unread >= until {
            return Ok(false);
        }
        let mut found = Vec::new();
        let step = limits::QUEUE_PURGE_STEP_MESSAGES;
        let read_on = backlog.read(self.unread, step, limits::QUEUE_READ_AHEAD_BYTES, &mut found)?;
        self.unread = read_on.from.min(until);
        gone.extend(found.into_iter().map(|stored| stored.ordinal).filter(|ordinal| *ordinal < until));
        Ok(read_on.more && read_on.from < until)
    }

    /// Throws one message away, unless a consumer has it. Returns whether it was there.
    pub fn handle_discarded<B: Backlog>(&mut self, ordinal: Ordinal, backlog: &mut B) -> Result<bool, B::Error> {
        let state = self.held.get(ordinal).map(|held| held.state);
        if matches!(state, Some(State::InFlight(_))) {
            return Ok(false);
        }
        let mut found = Vec::with_capacity(1);
        backlog.read(ordinal, 1, usize::MAX, &mut found)?;
        if found.first().is_none_or(|stored| stored.ordinal != ordinal) {
            return Ok(false);
        }
        self.timers.cancel(ordinal);
        if self.held.remove(ordinal).is_none() && ordinal < self.unread {
            self.delayed.forget(ordinal);
        }
        backlog.acknowledge(&[ordinal]);
        self.figures.purged += 1;
        Ok(true)
    }
}
