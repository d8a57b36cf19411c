//! What a person does to a queue: looking at messages without taking them, and throwing them away.

use message::limits;

use super::Queue;
use super::backlog::{Backlog, Ordinal, ReadOn, Stored};
use super::consumers::ConsumerId;
use super::held::State;

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
                None | Some(State::Ready) => MessageState::Waiting,
                Some(State::Delayed) => MessageState::Delayed,
                Some(State::InFlight(consumer)) => MessageState::InFlight(consumer),
                Some(State::Dead(_)) => MessageState::Dead,
            };
            Peeked { stored, state }
        }));
        Ok(read_on)
    }

    /// Throws away messages before `until`, as many as one step takes. Those that consumers have stay.
    pub fn handle_purge<B: Backlog>(&mut self, until: Ordinal, backlog: &mut B) -> Result<Purged, B::Error> {
        let mut gone: Vec<Ordinal> = Vec::new();
        let idle = |state| !matches!(state, State::InFlight(_));
        gone.extend(self.held.iter().filter(|(at, held)| *at < until && idle(held.state)).map(|(at, _)| at));
        let mut more = false;
        if self.unread < until {
            let mut found = Vec::new();
            let step = limits::QUEUE_PURGE_STEP_MESSAGES;
            let read_on = backlog.read(self.unread, step, limits::QUEUE_READ_AHEAD_BYTES, &mut found)?;
            self.unread = read_on.from.min(until);
            more = read_on.more && read_on.from < until;
            gone.extend(found.into_iter().map(|stored| stored.ordinal).filter(|ordinal| *ordinal < until));
        }
        for ordinal in &gone {
            self.timers.cancel(*ordinal);
            self.held.remove(*ordinal);
        }
        backlog.acknowledge(&gone);
        self.figures.purged += gone.len() as u64;
        Ok(Purged { messages: gone.len() as u64, more })
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
        self.held.remove(ordinal);
        backlog.acknowledge(&[ordinal]);
        self.figures.purged += 1;
        Ok(true)
    }
}
