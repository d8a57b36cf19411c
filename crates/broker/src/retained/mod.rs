//! Retained messages: the last one of each topic whose publisher asked to keep it (MQTT 5.0 section 3.3.1.3).
//! In memory; what changes is told to a journal, so that a store can make it last.

mod restored;
mod topics;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{Publication, QoS, Timestamp, TopicName};
use parking_lot::Mutex;
pub use restored::{RestoredFigures, RestoredRetained};
use store::{Revision, Turn};
pub(crate) use topics::RetainedTopics;

use crate::promise::{Pending, Promises};

/// A change of the retained messages, told in the order in which they happen.
#[derive(Debug, Clone)]
pub enum RetainedChange {
    /// This is now the message of its topic; whether it replaces another.
    Kept { publication: Arc<Publication>, replaces: bool },
    /// The topic has none any more: cleared by its publisher, or expired.
    Cleared(TopicName),
}

/// Hears of every change, so that retained messages can be written where they last. It is called under the store's
/// lock: it should note the change and return.
pub trait RetainedJournal: Send + Sync + fmt::Debug {
    fn record(&self, change: RetainedChange, turn: Turn);
    /// Kept once all that was recorded so far lasts.
    fn promise(&self) -> Box<dyn Pending>;
}

/// How many messages the store keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetainedLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
pub(crate) struct Retained {
    limits: RetainedLimits,
    hasher: FixedState,
    journal: Option<Arc<dyn RetainedJournal>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    topics: RetainedTopics,
    messages: usize,
    bytes: usize,
    /// Soonest first.
    expiries: BTreeSet<(Timestamp, TopicName)>,
    /// The last that was given.
    revision: Revision,
    /// Of messages that are on their way into the spool and then come here.
    coming: BTreeSet<Revision>,
}

impl Kept {
    fn next_revision(&mut self) -> Revision {
        self.revision = self.revision.next();
        self.revision
    }

    /// The turn of a change that is made now.
    fn turn(&mut self) -> Turn {
        let revision = self.next_revision();
        Turn { revision, complete: self.coming.first().map_or(revision, |first| first.before()) }
    }
}

/// What became of a message that should be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Kept,
    Cleared,
    Full,
}

impl Retained {
    pub(crate) fn new(limits: RetainedLimits, hasher: FixedState, journal: Option<Arc<dyn RetainedJournal>>) -> Self {
        Self { limits, hasher, journal, kept: Mutex::default() }
    }

    /// A revision for a message that is put into the spool first, and then brought to [`Self::keep`] or [`Self::forgo`] with
    /// it. What changes the topic later has a larger one, so that after a crash the earlier is not taken for the later.
    pub(crate) fn begin(&self, publication: &Publication) -> Option<Revision> {
        self.journal(&publication.topic)?;
        let mut kept = self.kept.lock();
        let revision = kept.next_revision();
        kept.coming.insert(revision);
        Some(revision)
    }

    /// The message that was begun is in no spool, and does not come.
    pub(crate) fn forgo(&self, begun: Revision) {
        self.kept.lock().coming.remove(&begun);
    }

    /// Keeps the message in place of its topic's last one; an empty payload clears the topic.
    /// A full store keeps what it has. Whoever waits for an acknowledgement waits for `promises`, too.
    pub(crate) fn keep(
        &self,
        publication: &Arc<Publication>,
        begun: Option<Revision>,
        promises: &mut Promises,
    ) -> Keeping {
        let mut kept = self.kept.lock();
        if let Some(begun) = begun {
            kept.coming.remove(&begun);
        }
        let keeping = if publication.payload.is_empty() {
            self.clear(&mut kept, &publication.topic);
            Keeping::Cleared
        } else {
            self.replace(&mut kept, publication)
        };
        if publication.qos > QoS::AtMostOnce
            && let Some(journal) = self.journal(&publication.topic)
        {
            // Also when there was nothing to clear: what was cleared before must not come back, either.
            promises.add(journal.promise());
        }
        keeping
    }

    fn replace(&self, kept: &mut Kept, publication: &Arc<Publication>) -> Keeping {
        match self.put(kept, publication) {
            Some(replaces) => {
                let change = RetainedChange::Kept { publication: Arc::clone(publication), replaces };
                self.record(kept, &publication.topic, change);
                Keeping::Kept
            }
            None => Keeping::Full,
        }
    }

    /// Whether it replaces another; `None` if there is no room for it.
    fn put(&self, kept: &mut Kept, publication: &Arc<Publication>) -> Option<bool> {
        let weight_bytes = publication.weight_bytes();
        let previous = kept.topics.get(&publication.topic, &self.hasher);
        let (messages, bytes) = match &previous {
            Some(previous) => (kept.messages, kept.bytes - previous.weight_bytes()),
            None => (kept.messages + 1, kept.bytes),
        };
        if messages > self.limits.messages_max || bytes.saturating_add(weight_bytes) > self.limits.bytes_max {
            return None;
        }
        let replaces = previous.is_some();
        if let Some(expires_at) = previous.and_then(|previous| previous.expires_at()) {
            kept.expiries.remove(&(expires_at, publication.topic.clone()));
        }
        if let Some(expires_at) = publication.expires_at() {
            kept.expiries.insert((expires_at, publication.topic.clone()));
        }
        kept.topics.insert(Arc::clone(publication), &self.hasher);
        kept.messages = messages;
        kept.bytes = bytes + weight_bytes;
        Some(replaces)
    }

    /// Forgets what has expired.
    pub(crate) fn expire(&self, now: Timestamp) {
        let mut kept = self.kept.lock();
        while let Some((expires_at, topic)) = kept.expiries.first().cloned() {
            if expires_at > now {
                break;
            }
            kept.expiries.pop_first();
            self.clear(&mut kept, &topic);
        }
    }

    /// When the next message expires.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.kept.lock().expiries.first().map(|(expires_at, _)| *expires_at)
    }

    /// The store as it is at this moment; costs nothing to take, and is read without a lock.
    pub(crate) fn topics(&self) -> RetainedTopics {
        self.kept.lock().topics.clone()
    }

    /// Messages and bytes in the store.
    pub(crate) fn size(&self) -> (usize, usize) {
        let kept = self.kept.lock();
        (kept.messages, kept.bytes)
    }

    fn clear(&self, kept: &mut Kept, topic: &TopicName) {
        let Some(previous) = kept.topics.remove(topic, &self.hasher) else { return };
        kept.messages -= 1;
        kept.bytes -= previous.weight_bytes();
        if let Some(expires_at) = previous.expires_at() {
            kept.expiries.remove(&(expires_at, previous.topic.clone()));
        }
        self.record(kept, &previous.topic, RetainedChange::Cleared(previous.topic.clone()));
    }

    fn record(&self, kept: &mut Kept, topic: &TopicName, change: RetainedChange) {
        if let Some(journal) = self.journal(topic) {
            journal.record(change, kept.turn());
        }
    }

    /// What the node says of itself is of this run: it need not last.
    fn journal(&self, topic: &TopicName) -> Option<&Arc<dyn RetainedJournal>> {
        self.journal.as_ref().filter(|_| !topic.as_str().starts_with("$SYS/"))
    }
}

#[cfg(test)]
mod tests;
