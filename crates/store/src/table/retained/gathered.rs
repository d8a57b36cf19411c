//! Changes of retained messages that wait for the disk: one for each topic, the last. Each has a place in the order of
//! all changes; a later change of the same topic takes the place of the earlier one, so that a topic that never rests
//! is written as soon as the others. What waits is bounded by the broker's own limits of retained messages: for each
//! topic that is kept, or was kept on disk, there is one change at most.

use std::collections::btree_map::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use message::{Publication, TopicName, limits};
use parking_lot::Mutex;

use super::encode;
use crate::table::committer::{Afterwards, Write};
use crate::table::schema::Transaction;
use crate::table::written::WriteError;
use crate::wakers::Wakers;

/// What waits, and how far the disk has come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// All changes up to this one are on disk.
    written: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: HashMap<TopicName, Change>,
    /// The topics of `changes` by their places.
    order: BTreeMap<u64, TopicName>,
    /// The place of the last change of all; the first has 1.
    last: u64,
    /// Changes up to this one that are not written were refused, and why.
    refused: Option<(u64, WriteError)>,
    flush: Stage,
    wakers: Wakers,
}

/// Where the flush is. There is one at most, so that changes are written in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Nothing waits.
    #[default]
    None,
    /// On its way to the committer or under its hands: what comes in meanwhile follows at once.
    UnderWay,
    /// With the committer, which tries it again from time to time, as the disk was full.
    Refused,
}

/// What the committer is to be told about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// A flush is to be handed to it.
    Flush,
    /// It is to try the flush that it has.
    Retry,
}

#[derive(Debug)]
struct Change {
    place: u64,
    /// `None` clears the topic.
    publication: Option<Arc<Publication>>,
    /// There is no record of the topic on disk, nor on its way there.
    is_new: bool,
}

impl Gathered {
    /// Adds a change. Returns its place, and what the committer is to be told.
    pub(super) fn add(&self, topic: TopicName, publication: Option<Arc<Publication>>, replaces: bool) -> (u64, Need) {
        let mut state = self.state.lock();
        state.last += 1;
        let point = state.last;
        if state.is_given_up() {
            return (point, Need::Nothing);
        }
        state.put(topic, Change { place: point, publication, is_new: !replaces });
        let need = match std::mem::replace(&mut state.flush, Stage::UnderWay) {
            Stage::None => Need::Flush,
            Stage::UnderWay => Need::Nothing,
            Stage::Refused => Need::Retry,
        };
        (point, need)
    }

    pub(super) fn poll_reached(&self, point: u64, waker: &Waker) -> Poll<Result<(), WriteError>> {
        if self.written.load(Ordering::Acquire) >= point {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.state.lock();
        // The disk may have come here since.
        if self.written.load(Ordering::Acquire) >= point {
            return Poll::Ready(Ok(()));
        }
        match &state.refused {
            Some((up_to, error)) if *up_to >= point => Poll::Ready(Err(error.clone())),
            _ => {
                state.wakers.add(waker);
                Poll::Pending
            }
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.state.lock().last
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().changes.len()
    }

    /// The file takes no more writes: nothing is gathered any more.
    pub(super) fn give_up(&self, error: WriteError) {
        let mut state = self.state.lock();
        if state.is_given_up() {
            return;
        }
        state.changes.clear();
        state.order.clear();
        self.refuse(state, u64::MAX, error);
    }

    fn refuse(&self, mut state: parking_lot::MutexGuard<'_, State>, up_to: u64, error: WriteError) {
        state.refused = Some((up_to, error));
        let wakers = state.wakers.take();
        drop(state);
        wakers.for_each(Waker::wake);
    }
}

impl State {
    fn is_given_up(&self) -> bool {
        matches!(self.refused, Some((u64::MAX, _)))
    }

    /// Puts a change in place of the topic's earlier one, if there is one.
    fn put(&mut self, topic: TopicName, mut change: Change) {
        match self.changes.entry(topic) {
            Entry::Vacant(vacant) => {
                self.order.insert(change.place, vacant.key().clone());
                vacant.insert(change);
            }
            Entry::Occupied(earlier) if earlier.get().is_new && change.publication.is_none() => {
                // The topic came and went without the disk.
                self.order.remove(&earlier.remove().place);
            }
            Entry::Occupied(mut earlier) => {
                change.place = earlier.get().place;
                change.is_new = earlier.get().is_new;
                earlier.insert(change);
            }
        }
    }

    /// Takes a change back that was not written. A later one of the topic takes its place: what that one took the disk
    /// to hold did not come about.
    fn put_back(&mut self, topic: TopicName, change: Change) {
        match self.changes.entry(topic) {
            Entry::Vacant(vacant) => {
                self.order.insert(change.place, vacant.key().clone());
                vacant.insert(change);
            }
            Entry::Occupied(mut later) => {
                self.order.remove(&later.get().place);
                self.order.insert(change.place, later.key().clone());
                let later = later.get_mut();
                (later.place, later.is_new) = (change.place, change.is_new);
            }
        }
    }
}

/// Writes what is gathered when its group is taken.
pub(super) struct Flush {
    gathered: Arc<Gathered>,
    taken: Vec<(TopicName, Change)>,
}

impl Flush {
    pub(super) fn new(gathered: Arc<Gathered>) -> Self {
        Self { gathered, taken: Vec::new() }
    }
}

impl Write for Flush {
    fn bytes_waiting(&self) -> usize {
        0
    }

    /// Takes the changes of the first places, up to the bounds of one commit.
    fn close(&mut self) -> usize {
        let mut state = self.gathered.state.lock();
        let mut bytes = 0;
        while bytes < limits::TABLE_GROUP_BYTES_MAX && self.taken.len() < limits::TABLE_GROUP_WRITES_MAX {
            let Some((_, topic)) = state.order.pop_first() else { break };
            let Some(change) = state.changes.remove(&topic) else { continue };
            bytes += change.publication.as_ref().map_or(topic.as_str().len(), |publication| publication.weight_bytes());
            self.taken.push((topic, change));
        }
        bytes
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), redb::Error> {
        for (topic, change) in &self.taken {
            let key = topic.as_str().as_bytes();
            match &change.publication {
                Some(publication) => transaction.retained.insert(key, &*encode(publication))?,
                None => transaction.retained.remove(key)?,
            };
        }
        Ok(())
    }

    fn tell(self: Box<Self>, group: Result<(), WriteError>) -> Afterwards {
        let Self { gathered, taken } = *self;
        match group {
            Ok(()) => {
                let mut state = gathered.state.lock();
                // What does not wait any more is on disk, or was overtaken before it came there.
                let written = state.order.first_key_value().map_or(state.last, |(place, _)| place - 1);
                gathered.written.fetch_max(written, Ordering::Release);
                let wakers = state.wakers.take();
                let is_more = !state.order.is_empty();
                state.flush = if is_more { Stage::UnderWay } else { Stage::None };
                drop(state);
                wakers.for_each(Waker::wake);
                if is_more { Afterwards::Again(Box::new(Self::new(gathered))) } else { Afterwards::Nothing }
            }
            Err(error @ WriteError::NoRoom { .. }) => {
                let mut state = gathered.state.lock();
                taken.into_iter().for_each(|(topic, change)| state.put_back(topic, change));
                state.flush = Stage::Refused;
                let last = state.last;
                gathered.refuse(state, last, error);
                Afterwards::OnceThereIsRoom(Box::new(Self::new(gathered)))
            }
            Err(error) => {
                gathered.give_up(error);
                Afterwards::Nothing
            }
        }
    }
}
