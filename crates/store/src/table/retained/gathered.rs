//! Changes of retained messages that wait for the disk: one for each topic, the last. Each has a place in the order of
//! all changes; a later change of the same topic takes the place of the earlier one, so that a topic that never rests
//! is written as soon as the others. What waits is bounded by the broker's own limits of retained messages: for each
//! topic that is kept, or was kept on disk, there is one change at most.

use std::collections::HashSet;
use std::collections::btree_map::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use message::{Bytes, Publication, QoS, Timestamp, TopicName, limits};
use parking_lot::Mutex;

use super::{MARK_KEY, encode, encode_mark};
use crate::table::committer::{Afterwards, Write};
use crate::table::schema::Transaction;
use crate::table::written::WriteError;
use crate::wakers::Wakers;
use crate::{Revision, RevisionMark, Turn};

/// What waits, and how far the disk has come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// All changes up to this one are on disk.
    written: AtomicU64,
    mark: RevisionMark,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: HashMap<TopicName, Change>,
    /// The topics of `changes` by their places.
    order: BTreeMap<u64, TopicName>,
    /// The place of the last change of all; the first has 1.
    last: u64,
    /// All changes up to this revision have a place, or had one.
    complete: Revision,
    /// Cleared topics that have a record on disk, with the revision of their clearing: it goes when the mark has passed that.
    cleared: Vec<(Revision, TopicName)>,
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
    revision: Revision,
    /// What was complete before the earliest change of the topic that this one has overtaken.
    complete_before: Revision,
}

impl Gathered {
    pub(super) fn new(mark: RevisionMark) -> Self {
        Self { mark, ..Self::default() }
    }

    pub(super) fn mark(&self) -> &RevisionMark {
        &self.mark
    }

    /// Adds a change. Returns its place, and what the committer is to be told.
    pub(super) fn add(
        &self,
        topic: TopicName,
        publication: Option<Arc<Publication>>,
        replaces: bool,
        turn: Turn,
    ) -> (u64, Need) {
        let Turn { revision, complete } = turn;
        let mut state = self.state.lock();
        state.last += 1;
        let point = state.last;
        if state.is_given_up() {
            return (point, Need::Nothing);
        }
        state.complete = state.complete.max(complete);
        let complete_before = complete.min(revision.before());
        state.put(topic, Change { place: point, publication, is_new: !replaces, revision, complete_before });
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
    fn put(&mut self, topic: TopicName, change: Change) {
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
                let Change { place, is_new, complete_before, .. } = *earlier.get();
                earlier.insert(Change { place, is_new, complete_before, ..change });
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
                later.complete_before = change.complete_before;
            }
        }
    }

    /// Up to where the disk has all changes when it has those that do not wait any more.
    fn mark(&self) -> Revision {
        let first = self.order.first_key_value().and_then(|(_, topic)| self.changes.get(topic));
        first.map_or(self.complete, |change| change.complete_before)
    }

    /// Takes the cleared topics whose record may go. One that waits again, or is being written, sees to its record itself.
    fn take_cleared(&mut self, mark: Revision, taken: &[(TopicName, Change)]) -> Vec<(Revision, TopicName)> {
        if self.cleared.is_empty() {
            return Vec::new();
        }
        let taken: HashSet<&TopicName> = taken.iter().map(|(topic, _)| topic).collect();
        self.cleared.retain(|(_, topic)| !taken.contains(topic));
        let changes = &self.changes;
        self.cleared.extract_if(.., |(at, topic)| *at <= mark && !changes.contains_key(topic)).collect()
    }
}

/// Writes what is gathered when its group is taken.
pub(super) struct Flush {
    gathered: Arc<Gathered>,
    taken: Vec<(TopicName, Change)>,
    /// All changes up to this one are on disk then.
    up_to: u64,
    /// Cleared topics whose record goes.
    gone: Vec<(Revision, TopicName)>,
    /// Where the mark is then.
    mark: Revision,
}

impl Flush {
    pub(super) fn new(gathered: Arc<Gathered>) -> Self {
        Self { gathered, taken: Vec::new(), up_to: 0, gone: Vec::new(), mark: Revision::default() }
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
        // What does not wait any more is on disk then, or was overtaken before it came there.
        self.up_to = state.order.first_key_value().map_or(state.last, |(place, _)| place - 1);
        self.mark = state.mark().max(self.gathered.mark.get());
        self.gone = state.take_cleared(self.mark, &self.taken);
        bytes
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), redb::Error> {
        for (topic, change) in &self.taken {
            let key = topic.as_str().as_bytes();
            match &change.publication {
                Some(publication) => transaction.retained.insert(key, &*encode(publication, change.revision))?,
                None if change.revision <= self.mark => transaction.retained.remove(key)?,
                None => transaction.retained.insert(key, &*encode(&nothing(topic), change.revision))?,
            };
        }
        for (_, topic) in &self.gone {
            transaction.retained.remove(topic.as_str().as_bytes())?;
        }
        if self.mark > self.gathered.mark.get() {
            transaction.meta.insert(MARK_KEY.as_bytes(), &*encode_mark(self.mark))?;
        }
        Ok(())
    }

    fn tell(self: Box<Self>, group: Result<(), WriteError>) -> Afterwards {
        let Self { gathered, taken, up_to, gone, mark } = *self;
        match group {
            Ok(()) => {
                gathered.mark.raise(mark);
                let mut state = gathered.state.lock();
                let cleared = taken.into_iter().filter(|(_, change)| change.publication.is_none());
                let cleared = cleared.map(|(topic, change)| (change.revision, topic));
                state.cleared.extend(cleared.filter(|(at, _)| *at > mark));
                gathered.written.fetch_max(up_to, Ordering::Release);
                let wakers = state.wakers.take();
                // Also for what came and went meanwhile: the mark has to pass that.
                let is_more = state.last > up_to;
                state.flush = if is_more { Stage::UnderWay } else { Stage::None };
                drop(state);
                wakers.for_each(Waker::wake);
                if is_more { Afterwards::Again(Box::new(Self::new(gathered))) } else { Afterwards::Nothing }
            }
            Err(error @ WriteError::NoRoom { .. }) => {
                let mut state = gathered.state.lock();
                taken.into_iter().for_each(|(topic, change)| state.put_back(topic, change));
                state.cleared.extend(gone);
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

/// What stands for a topic that was cleared.
fn nothing(topic: &TopicName) -> Publication {
    Publication::new(topic.clone(), Bytes::new(), QoS::AtMostOnce, Timestamp::default())
}
