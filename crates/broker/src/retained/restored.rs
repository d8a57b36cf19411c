//! What is retained as a process finds it: what the journal recorded, and behind it what only the spool has of messages
//! that came with a QoS 2 handshake. Their publishers are told that they were taken, so they must not be missing here; but
//! one of them never stands in place of a later message of its topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::{Publication, Timestamp, TopicName};
use store::Revision;

use super::{Retained, RetainedChange};
use crate::promise::Promises;

/// Made by [`Router::restore_retained`](crate::Router::restore_retained). All that the journal has is given to
/// [`take`](Self::take), then [`finish`](Self::finish) is called.
#[derive(Debug)]
#[must_use = "what the spool has is taken at the end"]
pub struct RestoredRetained<'a> {
    retained: &'a Retained,
    now: Timestamp,
    /// What the spool has and the journal does not.
    untold: BTreeMap<TopicName, (Revision, Publication)>,
    last: Revision,
    /// What the journal is to forget.
    stale: Vec<TopicName>,
    surplus: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoredFigures {
    /// Messages that the journal had forgotten, or topics that it had not cleared.
    pub caught_up: u64,
    /// Messages that there was no room for.
    pub surplus: u64,
}

impl<'a> RestoredRetained<'a> {
    pub(crate) fn new(retained: &'a Retained, now: Timestamp, untold: Vec<(Revision, Publication)>) -> Self {
        let last = untold.iter().map(|(revision, _)| *revision).max().unwrap_or_default();
        let untold = untold.into_iter().map(|(revision, it)| (it.topic.clone(), (revision, it))).collect();
        Self { retained, now, untold, last, stale: Vec::new(), surplus: 0 }
    }

    /// Takes what the journal has of one topic; without a payload, that it was cleared.
    pub fn take(&mut self, publication: Publication, revision: Revision) {
        self.last = self.last.max(revision);
        let topic = publication.topic.clone();
        if self.untold.get(&topic).is_some_and(|(untold, _)| *untold <= revision) {
            self.untold.remove(&topic);
        }
        if publication.payload.is_empty() || publication.expiry_left_s(self.now) == Some(0) {
            self.stale.push(topic);
        } else if self.retained.put(&mut self.retained.kept.lock(), &Arc::new(publication)).is_none() {
            self.surplus += 1;
            self.stale.push(topic);
        }
    }

    /// Takes what the journal does not have; it does then. `mark` is a revision up to which it has all.
    pub fn finish(self, mark: Revision) -> RestoredFigures {
        let Self { retained, now, untold, last, stale, surplus } = self;
        let untold: BTreeMap<Revision, Publication> =
            untold.into_values().filter(|(revision, _)| *revision > mark).collect();
        {
            let mut kept = retained.kept.lock();
            kept.revision = last.max(mark);
            // Until each of them has come, the journal does not have all that was before.
            kept.coming.extend(untold.keys());
            for topic in stale {
                retained.record(&mut kept, &topic.clone(), RetainedChange::Cleared(topic));
            }
        }
        let mut caught_up = 0;
        for (revision, publication) in untold {
            if publication.expiry_left_s(now) == Some(0) {
                retained.forgo(revision);
                continue;
            }
            caught_up += 1;
            // Nobody waits for it: the spool has it until the journal does.
            retained.keep(&Arc::new(publication), Some(revision), &mut Promises::default());
        }
        RestoredFigures { caught_up, surplus }
    }
}
