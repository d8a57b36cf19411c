//! What a stream's lock guards: the sealed segments, and the one that is being filled.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::{Timestamp, limits};

use super::StreamOptions;
use super::footer::Contents;
use crate::log::{HEADER_BYTES, HasTail, SEGMENT_HEADER_BYTES, Segment, Tail};

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
            let has_room = filled.saturating_add(bytes as u64) <= self.options.segment_bytes
                && self.filling.messages < self.segment_messages();
            self.filling.messages == 0 || has_room && !self.tail.has_better_file()
        });
        if !fits {
            self.seal();
            self.begin_segment();
            self.trim(now);
        }
    }

    /// A segment is ended when it has so many messages, so that not many more are kept than are to be.
    fn segment_messages(&self) -> u64 {
        let part = self.options.retention.messages_max / u64::from(limits::STREAM_SEGMENTS_LEAST);
        part.max(limits::STREAM_SEGMENT_MESSAGES_LEAST)
    }

    /// Begins the next segment. A file that has its name, and no message, goes when this one is there.
    fn begin_segment(&mut self) {
        let empty = self.segments.remove(&self.tail.next()).map(|empty| empty.segment);
        self.tail.begin_generation(empty.as_ref().map_or(0, |empty| empty.generation.saturating_add(1)));
        if let Some(empty) = empty {
            self.tail.remove(empty);
        }
    }

    /// Makes sure that a file has the next offset in its name, or one that is behind all others, so that no offset is given
    /// twice when all other files are gone.
    pub(super) fn keep_place(&mut self) {
        let next = self.tail.next();
        if self.tail.active().is_some() || self.segments.contains_key(&next) {
            return;
        }
        let contents = Contents::default();
        let (segment, bytes) = self.tail.put_empty(&contents.encode());
        let (footer_at, newest_us) = (SEGMENT_HEADER_BYTES as u64, contents.newest_us);
        let sealed = Sealed { segment, bytes, footer_at, next, messages: 0, newest_us, contents: Some(contents) };
        self.segments.insert(next, sealed);
    }

    /// The oldest segment that may go.
    fn oldest(&self) -> Option<&Sealed> {
        self.segments.values().next().filter(|oldest| oldest.segment.base < self.tail.next())
    }

    /// Lets the oldest segment go that may.
    fn remove_oldest(&mut self) -> Option<Sealed> {
        let base = self.oldest()?.segment.base;
        self.keep_place();
        let oldest = self.segments.remove(&base)?;
        self.tail.remove(Arc::clone(&oldest.segment));
        Some(oldest)
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

    /// Which offset comes next for who has read all below this one: those that are left out at the end come never.
    pub(super) fn awaited(&self, from: u64) -> u64 {
        let has_offsets = |sealed: &&Sealed| sealed.segment.base < sealed.next;
        let end = self.segments.values().rev().find(has_offsets).map_or(0, |last| last.next);
        if self.tail.active().is_none() && from >= end { from.max(self.tail.next()) } else { from }
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
        let part_us = age_us.map(|age| age / i64::from(limits::STREAM_SEGMENTS_LEAST));
        let is_long = part_us.is_some_and(|part| now.as_micros().saturating_sub(self.filling.oldest_us) > part);
        if self.filling.messages > 0 && (is_long || is_old(self.filling.newest_us)) {
            self.seal();
        }
        let (mut messages, mut bytes, mut gone) = (self.messages(), self.bytes(), 0);
        while let Some(oldest) = self.oldest() {
            // As many as are to be kept are.
            let is_over = bytes > retention.bytes_max || messages - oldest.messages >= retention.messages_max;
            if !is_over && !is_old(oldest.newest_us) {
                break;
            }
            let Some(oldest) = self.remove_oldest() else { break };
            messages -= oldest.messages;
            bytes -= oldest.bytes;
            gone += oldest.messages;
        }
        self.trimmed += gone;
        gone
    }

    /// Lets all messages go. How many those are is the answer.
    pub(super) fn purge(&mut self) -> u64 {
        self.seal();
        let mut gone = 0;
        while let Some(oldest) = self.remove_oldest() {
            gone += oldest.messages;
        }
        gone
    }
}
