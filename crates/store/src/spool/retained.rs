//! Retained messages that came with a QoS 2 handshake. They belong into a table, which is written by itself: until that has
//! them, the spool keeps them, as a crash may leave the handshake and with it the knowledge that the message was taken. Each
//! stands in the record of the message, or beside the handshake of one that nobody got, and again in the snapshot that each
//! segment begins with, as long as it is kept: with the handshakes, in one record. Of a topic only the last is kept.

use std::collections::BTreeMap;

use message::{Bytes, Publication, Timestamp, TopicName};

use super::Spool;
use super::record::{KIND_RETAINED, Origin, put_publication, put_retained};
use super::state::State;
use crate::log::{Decoder, decode_publication, put_varint};
use crate::{Durability, Revision, RevisionMark};

/// What the table may not have.
#[derive(Debug, Default)]
pub(super) struct Untold {
    by_topic: BTreeMap<TopicName, (Revision, Publication)>,
    mark: RevisionMark,
    /// Where the mark was when what it had passed was let go.
    looked: Revision,
}

impl Untold {
    pub(super) fn note(&mut self, revision: Revision, publication: Publication) {
        if self.by_topic.get(&publication.topic).is_none_or(|(before, _)| *before < revision) {
            self.by_topic.insert(publication.topic.clone(), (revision, publication));
        }
    }

    /// Appends all of it to a snapshot that bears this timestamp: each with its revision, its length and itself.
    pub(super) fn put(&mut self, buffer: &mut Vec<u8>, now: Timestamp) {
        self.tidy();
        let mut one = Vec::new();
        for (revision, publication) in self.by_topic.values() {
            one.clear();
            put_publication(&mut one, publication, now);
            put_varint(buffer, revision.0);
            put_varint(buffer, one.len() as u64);
            buffer.extend_from_slice(&one);
        }
    }

    /// What stands at the end of a snapshot.
    pub(super) fn read(decoder: &mut Decoder<'_>, timestamp_us: i64) -> Option<Self> {
        let mut found = Self::default();
        while !decoder.is_at_end() {
            let revision = Revision(decoder.varint()?);
            let length = decoder.count()?;
            let record = Bytes::copy_from_slice(decoder.take(length)?);
            found.note(revision, decode_publication(&record, 0, timestamp_us)?);
        }
        Some(found)
    }

    /// Lets go what the table has by now.
    fn tidy(&mut self) {
        let mark = self.mark.get();
        if self.looked < mark {
            self.looked = mark;
            self.by_topic.retain(|_, (revision, _)| *revision > mark);
        }
    }
}

impl Spool {
    /// What the table did not have when the spool was opened, as far as the spool knows, and what came since: the last of each
    /// topic. One without a payload clears its topic.
    pub fn retained(&self) -> Vec<(Revision, Publication)> {
        let mut state = self.log.lock();
        state.retained.tidy();
        state.retained.by_topic.values().cloned().collect()
    }

    /// Says where the table is from now on: what the mark has passed is let go.
    pub fn follow_retained(&self, mark: RevisionMark) {
        self.log.lock().retained.mark = mark;
    }
}

impl State {
    /// Keeps a message that is to be retained; whether it is.
    pub(super) fn note_retained(&mut self, origin: Option<Origin>, publication: &Publication) -> bool {
        let Some(revision) = origin.and_then(|origin| origin.revision) else { return false };
        self.retained.tidy();
        self.retained.note(revision, publication.clone());
        true
    }

    /// Writes down what is kept of a topic.
    pub(super) fn put_retained(&mut self, topic: &TopicName) {
        let Some((revision, publication)) = self.retained.by_topic.get(topic).cloned() else { return };
        let now = self.now;
        self.put_state(KIND_RETAINED, Durability::Fsync, |buffer| put_retained(buffer, revision, &publication, now));
    }
}
