//! What a stream's lock guards: the sealed segments, and the one that is being filled.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::Timestamp;

use super::StreamOptions;
use super::footer::Contents;
use crate::log::{HEADER_BYTES, HasTail, Segment, Tail};

/// What kind of log a stream is.
pub(crate) const LOG_KIND: u32 = 2;
/// A message: the body is the publication.
pub(crate) const KIND_MESSAGE: u8 = 1;
/// A message that waited in the spool first: the body is its ordinal there (8 bytes) and the publication.
pub(crate) const KIND_STAGED: u8 = 2;

/// Where the publication begins in a record of this kind; `None` if it is no message.
pub(crate) fn publication_at(kind: u8) -> Option<usize> {
    match kind {
        KIND_MESSAGE => Some(HEADER_BYTES),
        KIND_STAGED => Some(HEADER_BYTES + size_of::<u64>()),
        _ => None,
    }
}

/// A sealed segment.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) segment: Arc<Segment>,
    pub(super) bytes: u64,
    /// Where its messages end and its footer begins.
    pub(super) footer_at: u64,
    /// The offset after its last message's.
    pub(super) next: u64,
    pub(super) messages: u64,
    pub(super) newest_us: i64,
    /// Kept until the file has its footer.
    pub(super) contents: Option<Contents>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: StreamOptions,
    pub(super) tail: Tail,
    /// By base.
    pub(super) segments: BTreeMap<u64, Sealed>,
    pub(super) filling: Contents,
    /// Messages that retention has taken out since the stream was opened.
    pub(super) trimmed: u64,
}

impl HasTail for State {
    fn tail(&mut self) -> &mut Tail {
        &mut self.tail
    }

    fn segment_bytes(&self) -> u64 {
        self.options.segment_bytes
    }
}

impl State {
    /// Makes sure that a segment is there to append `bytes` to.
    pub(super) fn make_segment(&mut self, now: Timestamp, bytes: usize) {
        let fits = self.tail.active().is_some_and(|(_, filled)| {
            let has_room = filled.saturating_add(bytes as u64) <= self.options.segment_bytes;
            self.filling.messages == 0 || has_room && !self.tail.has_better_file()
        });
        if !fits {
            self.seal();
            self.tail.begin_segment();
            self.trim(now);
        }
    }

    /// Ends the segment that is being filled.
    pub(super) fn seal(&mut self) {
        let Some(segment) = self.tail.active().map(|(segment, _)| Arc::clone(segment)) else { return };
        let contents = std::mem::take(&mut self.filling);
        let footer_at = self.tail.footer_at();
        let bytes = self.tail.seal_segment(&contents.encode());
        let sealed = Sealed {
            bytes,
            footer_at,
            next: self.tail.next(),
            messages: contents.messages,
            newest_us: contents.newest_us,
            contents: Some(contents),
            segment: Arc::clone(&segment),
        };
        for other in self.segments.values_mut().filter(|other| other.segment.on_disk() >= other.bytes) {
            other.contents = None;
        }
        self.segments.insert(segment.base, sealed);
    }

    /// The first offset that is kept.
    pub(super) fn earliest(&self) -> u64 {
        let active = || self.tail.active().map(|(segment, _)| segment.base);
        self.segments.keys().next().copied().or_else(active).unwrap_or_else(|| self.tail.next())
    }

    pub(super) fn messages(&self) -> u64 {
        self.filling.messages + self.segments.values().map(|sealed| sealed.messages).sum::<u64>()
    }

    pub(super) fn bytes(&self) -> u64 {
        let active = self.tail.active().map_or(0, |(_, filled)| filled);
        active + self.segments.values().map(|sealed| sealed.bytes).sum::<u64>()
    }

    /// Lets the oldest segments go as far as the stream has more than it shall keep. Messages that are gone are the answer.
    pub(super) fn trim(&mut self, now: Timestamp) -> u64 {
        let retention = self.options.retention;
        let age_us = retention.age_max.map(|age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        let is_old = |newest_us: i64| age_us.is_some_and(|age| now.as_micros().saturating_sub(newest_us) > age);
        // A segment that is filled for long would keep its oldest messages for as long.
        let part_us = age_us.map(|age| age / i64::from(message::limits::STREAM_SEGMENTS_LEAST));
        let is_long = part_us.is_some_and(|part| now.as_micros().saturating_sub(self.filling.oldest_us) > part);
        if self.filling.messages > 0 && (is_long || is_old(self.filling.newest_us)) {
            self.begin_anew();
        }
        let (mut messages, mut bytes, mut gone) = (self.messages(), self.bytes(), 0);
        while let Some(entry) = self.segments.first_entry() {
            let (oldest, is_over) = (entry.get(), messages > retention.messages_max || bytes > retention.bytes_max);
            if !is_over && !is_old(oldest.newest_us) {
                break;
            }
            if self.tail.active().is_none() {
                self.tail.begin_segment();
            }
            let oldest = entry.remove();
            messages -= oldest.messages;
            bytes -= oldest.bytes;
            gone += oldest.messages;
            self.tail.remove(oldest.segment);
        }
        self.trimmed += gone;
        gone
    }

    /// Lets all messages go. How many those are is the answer.
    pub(super) fn purge(&mut self) -> u64 {
        if self.filling.messages > 0 {
            self.begin_anew();
        }
        let mut gone = 0;
        while let Some((_, oldest)) = self.segments.pop_first() {
            if self.tail.active().is_none() {
                self.tail.begin_segment();
            }
            gone += oldest.messages;
            self.tail.remove(oldest.segment);
        }
        gone
    }

    /// Ends the segment that is being filled and begins another: a file with the next offset in its name stays, so that no
    /// offset is given twice.
    fn begin_anew(&mut self) {
        self.seal();
        self.tail.begin_segment();
    }
}
