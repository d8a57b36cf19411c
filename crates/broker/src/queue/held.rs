//! The messages that a queue knows by their place: those read ahead, those with consumers, those that wait for
//! something. What lies behind them in the log it does not know.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use message::Publication;

use super::backlog::Ordinal;
use super::consumers::ConsumerId;
use super::output::DeathReason;

/// One message that was read and is not acknowledged.
#[derive(Debug)]
pub(super) struct Held {
    /// 0 in a queue that goes by arrival.
    pub(super) priority: u8,
    pub(super) deliveries: u32,
    pub(super) state: State,
    /// Consumers that cannot take it.
    pub(super) refused_by: Vec<ConsumerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// Until its timer is over.
    Delayed,
    InFlight(ConsumerId),
    Dead(DeathReason),
}

/// All of them. Those that are ready are in the order in which they go out, the first ones with their content.
#[derive(Debug, Default)]
pub(super) struct HeldMessages {
    by_ordinal: BTreeMap<Ordinal, Held>,
    ready: BTreeSet<(Reverse<u8>, Ordinal)>,
    /// Those among the ready ones that some consumers cannot take.
    choosy: BTreeSet<(Reverse<u8>, Ordinal)>,
    contents: BTreeMap<Ordinal, Arc<Publication>>,
    contents_bytes: usize,
    in_flight: usize,
}

impl HeldMessages {
    pub(super) fn len(&self) -> usize {
        self.by_ordinal.len()
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.len() + self.choosy.len()
    }

    pub(super) fn in_flight_len(&self) -> usize {
        self.in_flight
    }

    pub(super) fn get(&self, ordinal: Ordinal) -> Option<&Held> {
        self.by_ordinal.get(&ordinal)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ordinal, &Held)> {
        self.by_ordinal.iter().map(|(ordinal, held)| (*ordinal, held))
    }

    pub(super) fn insert(&mut self, ordinal: Ordinal, held: Held) {
        self.remove(ordinal);
        self.enter(ordinal, held.priority, held.state, !held.refused_by.is_empty());
        self.by_ordinal.insert(ordinal, held);
    }

    pub(super) fn remove(&mut self, ordinal: Ordinal) -> Option<Held> {
        let held = self.by_ordinal.remove(&ordinal)?;
        self.exit(ordinal, held.priority, held.state);
        self.forget_content(ordinal);
        Some(held)
    }

    pub(super) fn set_state(&mut self, ordinal: Ordinal, state: State) {
        if let Some(held) = self.by_ordinal.get_mut(&ordinal) {
            let (priority, before) = (held.priority, std::mem::replace(&mut held.state, state));
            let is_choosy = !held.refused_by.is_empty();
            self.exit(ordinal, priority, before);
            self.enter(ordinal, priority, state, is_choosy);
        }
    }

    /// Says who cannot take the message.
    pub(super) fn set_refused_by(&mut self, ordinal: Ordinal, refused_by: Vec<ConsumerId>) {
        if let Some(held) = self.by_ordinal.get_mut(&ordinal) {
            let (priority, state, is_choosy) = (held.priority, held.state, !refused_by.is_empty());
            held.refused_by = refused_by;
            self.exit(ordinal, priority, state);
            self.enter(ordinal, priority, state, is_choosy);
        }
    }

    /// Changes the count of deliveries by one and returns it.
    pub(super) fn count_delivery(&mut self, ordinal: Ordinal, happened: bool) -> u32 {
        let Some(held) = self.by_ordinal.get_mut(&ordinal) else { return 0 };
        held.deliveries = if happened { held.deliveries.saturating_add(1) } else { held.deliveries.saturating_sub(1) };
        held.deliveries
    }

    /// The first message that everyone can take, and where it stands among all that are ready.
    pub(super) fn first_ready(&self) -> Option<(Reverse<u8>, Ordinal)> {
        self.ready.first().copied()
    }

    /// Those that are ready and that some consumers cannot take, in the order in which they go out.
    pub(super) fn choosy(&self) -> impl Iterator<Item = (Reverse<u8>, Ordinal, &[ConsumerId])> {
        self.choosy.iter().filter_map(|(priority, ordinal)| {
            self.by_ordinal.get(ordinal).map(|held| (*priority, *ordinal, &*held.refused_by))
        })
    }

    /// Keeps the content of a message that will go out soon, as long as all of these weigh no more than `bytes_max`.
    pub(super) fn keep_content(&mut self, ordinal: Ordinal, publication: Arc<Publication>, bytes_max: usize) {
        let bytes = publication.weight_bytes();
        if self.contents_bytes + bytes <= bytes_max {
            self.contents_bytes += bytes;
            self.contents.insert(ordinal, publication);
        }
    }

    /// Takes the content out, if it is kept.
    pub(super) fn take_content(&mut self, ordinal: Ordinal) -> Option<Arc<Publication>> {
        let content = self.contents.remove(&ordinal)?;
        self.contents_bytes -= content.weight_bytes();
        Some(content)
    }

    fn forget_content(&mut self, ordinal: Ordinal) {
        drop(self.take_content(ordinal));
    }

    fn enter(&mut self, ordinal: Ordinal, priority: u8, state: State, is_choosy: bool) {
        match state {
            State::Ready if is_choosy => drop(self.choosy.insert((Reverse(priority), ordinal))),
            State::Ready => drop(self.ready.insert((Reverse(priority), ordinal))),
            State::InFlight(_) => self.in_flight += 1,
            State::Delayed | State::Dead(_) => {}
        }
    }

    fn exit(&mut self, ordinal: Ordinal, priority: u8, state: State) {
        match state {
            State::Ready => {
                self.ready.remove(&(Reverse(priority), ordinal));
                self.choosy.remove(&(Reverse(priority), ordinal));
            }
            State::InFlight(_) => self.in_flight -= 1,
            State::Delayed | State::Dead(_) => {}
        }
    }
}
