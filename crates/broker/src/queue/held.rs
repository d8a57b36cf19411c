//! The messages that a queue knows by their place: those read ahead, those with consumers, those that wait for
//! something. What lies behind them in the log it does not know.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use message::{Publication, limits};

use super::backlog::Ordinal;
use super::consumers::ConsumerId;
use super::output::DeathReason;
use super::turn::{Instant, Turn};

/// One message that was read and is not acknowledged.
#[derive(Debug)]
pub(super) struct Held {
    /// 0 in a queue that goes by arrival.
    pub(super) priority: u8,
    /// Since when it may go out.
    pub(super) since: Instant,
    /// See [`Backlog::note_deliveries`](super::Backlog::note_deliveries).
    pub(super) in_turn: bool,
    pub(super) deliveries: u32,
    pub(super) state: State,
    /// What it weighed when it was handed out the last time.
    pub(super) bytes: usize,
    /// Consumers that cannot take it.
    pub(super) refused_by: Vec<ConsumerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// Given back, until its timer is over.
    Delayed,
    InFlight(ConsumerId),
    Dead(DeathReason),
}

/// All of them. Those that are ready are in the order in which they go out, the first ones with their content.
#[derive(Debug, Default)]
pub(super) struct HeldMessages {
    by_ordinal: BTreeMap<Ordinal, Held>,
    ready: BTreeSet<Place>,
    /// Those among the ready ones that some consumers cannot take.
    choosy: BTreeSet<Place>,
    contents: BTreeMap<Ordinal, Arc<Publication>>,
    contents_bytes: usize,
    in_flight: usize,
    delayed: usize,
}

/// Where a message stands among those that are ready: the first goes out first.
pub(super) type Place = (Reverse<u8>, Turn);

impl Held {
    fn place(&self, ordinal: Ordinal) -> Place {
        (Reverse(self.priority), Turn { since: self.since, ordinal })
    }
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

    /// Those that consumers gave back to come again later.
    pub(super) fn delayed_len(&self) -> usize {
        self.delayed
    }

    pub(super) fn get(&self, ordinal: Ordinal) -> Option<&Held> {
        self.by_ordinal.get(&ordinal)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ordinal, &Held)> {
        self.by_ordinal.iter().map(|(ordinal, held)| (*ordinal, held))
    }

    pub(super) fn insert(&mut self, ordinal: Ordinal, held: Held) {
        self.remove(ordinal);
        self.enter(held.place(ordinal), held.state, !held.refused_by.is_empty());
        self.by_ordinal.insert(ordinal, held);
    }

    pub(super) fn remove(&mut self, ordinal: Ordinal) -> Option<Held> {
        let held = self.by_ordinal.remove(&ordinal)?;
        self.exit(held.place(ordinal), held.state);
        self.forget_content(ordinal);
        Some(held)
    }

    pub(super) fn set_state(&mut self, ordinal: Ordinal, state: State) {
        if let Some(held) = self.by_ordinal.get_mut(&ordinal) {
            let (place, before) = (held.place(ordinal), std::mem::replace(&mut held.state, state));
            let is_choosy = !held.refused_by.is_empty();
            self.exit(place, before);
            self.enter(place, state, is_choosy);
        }
    }

    /// Says who cannot take the message.
    pub(super) fn set_refused_by(&mut self, ordinal: Ordinal, refused_by: Vec<ConsumerId>) {
        if let Some(held) = self.by_ordinal.get_mut(&ordinal) {
            let (place, state, is_choosy) = (held.place(ordinal), held.state, !refused_by.is_empty());
            held.refused_by = refused_by;
            self.exit(place, state);
            self.enter(place, state, is_choosy);
        }
    }

    /// It goes to a consumer.
    pub(super) fn set_in_flight(&mut self, ordinal: Ordinal, consumer: ConsumerId, bytes: usize) {
        if let Some(held) = self.by_ordinal.get_mut(&ordinal) {
            held.bytes = bytes;
        }
        self.set_state(ordinal, State::InFlight(consumer));
    }

    /// Changes the count of deliveries by one and returns it.
    pub(super) fn count_delivery(&mut self, ordinal: Ordinal, happened: bool) -> u32 {
        let Some(held) = self.by_ordinal.get_mut(&ordinal) else { return 0 };
        held.deliveries = if happened { held.deliveries.saturating_add(1) } else { held.deliveries.saturating_sub(1) };
        held.deliveries
    }

    /// The first message that everyone can take, and where it stands among all that are ready.
    pub(super) fn first_ready(&self) -> Option<Place> {
        self.ready.first().copied()
    }

    /// Whether the message that goes out after this one lies so close behind it that they are read together.
    pub(super) fn is_ready_close_behind(&self, ordinal: Ordinal) -> bool {
        let next = self.ready.iter().map(|(_, turn)| turn.ordinal).find(|other| *other != ordinal);
        let span = limits::QUEUE_READ_MESSAGES_MAX as u64;
        next.is_some_and(|next| next > ordinal && next.0 - ordinal.0 < span)
    }

    /// Those that are ready and that some consumers cannot take, in the order in which they go out.
    pub(super) fn choosy(&self) -> impl Iterator<Item = (Place, &[ConsumerId])> {
        self.choosy.iter().filter_map(|place| {
            let (_, turn) = place;
            self.by_ordinal.get(&turn.ordinal).map(|held| (*place, &*held.refused_by))
        })
    }

    /// Keeps the content of a message that will go out soon, as long as all of these weigh no more than `bytes_max`.
    pub(super) fn keep_content(&mut self, ordinal: Ordinal, publication: Arc<Publication>, bytes_max: usize) {
        let bytes = publication.weight_bytes();
        if self.contents_bytes + bytes <= bytes_max && !self.contents.contains_key(&ordinal) {
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

    fn enter(&mut self, place: Place, state: State, is_choosy: bool) {
        match state {
            State::Ready if is_choosy => drop(self.choosy.insert(place)),
            State::Ready => drop(self.ready.insert(place)),
            State::InFlight(_) => self.in_flight += 1,
            State::Delayed => self.delayed += 1,
            State::Dead(_) => {}
        }
    }

    fn exit(&mut self, place: Place, state: State) {
        match state {
            State::Ready => {
                self.ready.remove(&place);
                self.choosy.remove(&place);
            }
            State::InFlight(_) => self.in_flight -= 1,
            State::Delayed => self.delayed -= 1,
            State::Dead(_) => {}
        }
    }
}
