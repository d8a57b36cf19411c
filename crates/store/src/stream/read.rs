//! Reads a stream from any offset. What can be read is what is as safe as the stream asks for, so that no one acts on a message
//! that a loss of power takes back.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::{Publication, Timestamp, limits};

use super::footer::{Contents, Entry};
use super::state::{Sealed, State, publication_at};
use super::{Offset, Stream};
use crate::Durability;
use crate::log::{
    HEADER_BYTES, Header, KIND_MARK, ReadError, SEGMENT_HEADER_BYTES, Segment, Window, decode_publication, next_whole,
    read_end,
};

/// A message as it stands in its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Streamed {
    pub offset: Offset,
    /// When it was appended.
    pub appended_at: Timestamp,
    pub publication: Publication,
}

/// Where the next read goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOn {
    pub from: Offset,
    /// More can be read at once.
    pub more: bool,
    /// Messages that are missing between where this read began and where the next goes on: retention took them, or their
    /// records are damaged.
    pub missing: u64,
}

/// Where a read ended: the next message begins there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resume {
    offset: u64,
    base: u64,
    place: u64,
}

/// The part of a stream that one read goes through: a piece of one segment.
pub(super) struct Piece {
    pub(super) segment: Arc<Segment>,
    /// Where to begin to look, if that is known.
    start: Option<Entry>,
    /// Where the messages end in the file.
    end: u64,
    /// The offset after the last message of the piece.
    next: u64,
    is_sealed: bool,
}

/// What to do with a message: its header and its record.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Header, &message::Bytes) -> ControlFlow<()>;

impl Stream {
    fn readable_until(&self, state: &State) -> u64 {
        match state.options.durability {
            Durability::Memory | Durability::Os => self.inner.log.marks.written(),
            Durability::Fsync => self.inner.log.marks.synced(),
        }
    }

    /// Appends messages from an offset on: at most so many and, but for the first, so many bytes of topics and payloads.
    /// Payloads share a buffer of a few messages.
    pub fn read(
        &self,
        from: Offset,
        messages_max: usize,
        bytes_max: usize,
        out: &mut Vec<Streamed>,
    ) -> Result<ReadOn, ReadError> {
        let (mut next, mut missing, mut bytes) = (from.0, 0, 0);
        let start = out.len();
        loop {
            let state = self.inner.log.lock();
            let until = self.readable_until(&state);
            let earliest = state.earliest().min(until);
            missing += earliest.saturating_sub(next);
            next = next.max(earliest);
            let piece = if next < until { piece(&state, next) } else { None };
            drop(state);
            let Some(piece) = piece else {
                return Ok(ReadOn { from: Offset(next), more: false, missing });
            };
            if out.len() - start >= messages_max || bytes >= bytes_max && bytes > 0 {
                return Ok(ReadOn { from: Offset(next), more: true, missing });
            }
            // Numbers between two segments were given to no message that is here.
            missing += piece.segment.base.saturating_sub(next);
            next = next.max(piece.segment.base);
            let mut full = false;
            let end = self.walk(&piece, next, &mut |header, record| {
                full = out.len() - start >= messages_max || bytes >= bytes_max && bytes > 0;
                if full || header.seq >= until {
                    return ControlFlow::Break(());
                }
                missing += header.seq.saturating_sub(next);
                next = header.seq + 1;
                let start = publication_at(header.kind).unwrap_or(HEADER_BYTES);
                match decode_publication(record, start, header.timestamp_us) {
                    Some(publication) => {
                        bytes += publication.topic.as_str().len() + publication.payload.len();
                        let appended_at = Timestamp::from_micros(header.timestamp_us);
                        out.push(Streamed { offset: Offset(header.seq), appended_at, publication });
                    }
                    None => missing += 1,
                }
                ControlFlow::Continue(())
            });
            match end {
                Ok(place) => self.remember(Resume { offset: next, base: piece.segment.base, place }),
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_gone(&piece.segment) => continue,
                Err(error) => return Err(self.read_error(&piece.segment, &error)),
            }
            if !full && piece.next.min(until) > next {
                missing += piece.next.min(until) - next;
                next = piece.next.min(until);
            }
        }
    }

    /// The first offset whose message was appended at this time or later; the next one when there is none yet.
    pub fn offset_at(&self, time: Timestamp) -> Result<Offset, ReadError> {
        let time_us = time.as_micros();
        let state = self.inner.log.lock();
        let sealed = state.segments.values().find(|sealed| sealed.messages > 0 && sealed.newest_us >= time_us);
        let until = self.readable_until(&state);
        let base = match sealed {
            Some(sealed) => sealed.segment.base,
            None => match state.tail.active() {
                Some((segment, _)) => segment.base,
                None => return Ok(Offset(state.tail.next())),
            },
        };
        let next = state.tail.next();
        let Some(mut piece) = (if base < until { piece(&state, base) } else { None }) else { return Ok(Offset(next)) };
        let contents = if piece.is_sealed { None } else { Some(state.filling.clone()) };
        drop(state);
        let contents = match contents {
            Some(contents) => Some(contents),
            None => self.contents(&piece).map_err(|error| self.read_error(&piece.segment, &error))?,
        };
        piece.start = contents.and_then(|contents| contents.place_at(time_us));
        let mut found = None;
        let walked = self.walk(&piece, piece.start.map_or(base, |entry| entry.offset), &mut |header, _| {
            if header.timestamp_us < time_us {
                return ControlFlow::Continue(());
            }
            found = Some(header.seq);
            ControlFlow::Break(())
        });
        match walked {
            Ok(_) => Ok(Offset(found.unwrap_or(piece.next))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_gone(&piece.segment) => {
                Ok(self.state().earliest)
            }
            Err(error) => Err(self.read_error(&piece.segment, &error)),
        }
    }

    pub(super) fn read_error(&self, segment: &Segment, error: &io::Error) -> ReadError {
        let file = segment.path(&self.inner.log.folder).display().to_string();
        ReadError::Disk { file, what: error.to_string() }
    }

    fn is_gone(&self, segment: &Segment) -> bool {
        let state = self.inner.log.lock();
        let active = state.tail.active().is_some_and(|(active, _)| active.base == segment.base);
        !active && !state.segments.contains_key(&segment.base)
    }

    fn remember(&self, resume: Resume) {
        let mut places = self.inner.resume.lock();
        places.push_front(resume);
        places.truncate(limits::STREAM_READERS_REMEMBERED);
    }

    /// Goes through the messages of a piece from an offset on, past damage. Where the next message begins is the answer.
    pub(super) fn walk(&self, piece: &Piece, from: u64, visit: Visit<'_>) -> io::Result<u64> {
        let log = &self.inner.log;
        let remembered = {
            let mut places = self.inner.resume.lock();
            let found = places.iter().position(|resume| (resume.offset, resume.base) == (from, piece.segment.base));
            found.and_then(|index| places.remove(index)).map(|resume| resume.place)
        };
        let file = log.file(&piece.segment)?;
        let indexed = match (remembered, piece.start, piece.is_sealed) {
            (Some(_), _, _) => None,
            (None, None, true) => self.contents(piece)?.and_then(|contents| contents.place_of(from)),
            (None, start, _) => start,
        };
        let mut at = remembered.or(indexed.map(|entry| u64::from(entry.place))).unwrap_or(SEGMENT_HEADER_BYTES as u64);
        let mut next =
            if remembered.is_some() { from } else { indexed.map_or(piece.segment.base, |entry| entry.offset) };
        let mut window = Window::new(&*file, piece.end, piece.segment.seed);
        while at < piece.end {
            let Some(record) = window.record(at, || limits::LOG_READ_BYTES_MAX)? else {
                let rest = file.read_up_to(at, usize::try_from(piece.end - at).unwrap_or(usize::MAX))?;
                let Some(skipped) = next_whole(&rest, 0, next, piece.segment.seed) else {
                    self.count_damaged(piece.next.saturating_sub(next));
                    break;
                };
                at += skipped as u64;
                if let Some(header) = rest.get(skipped..).and_then(Header::decode) {
                    self.count_damaged(header.seq.saturating_sub(next));
                }
                continue;
            };
            let Some(header) = Header::decode(&record) else { break };
            if header.kind != KIND_MARK {
                next = header.seq + 1;
            }
            if publication_at(header.kind).is_some() && header.seq >= from && visit(header, &record).is_break() {
                break;
            }
            at += u64::from(header.length);
        }
        Ok(at)
    }

    fn count_damaged(&self, messages: u64) {
        self.inner.damaged.fetch_add(messages, Ordering::Relaxed);
    }

    /// The index of a sealed segment.
    fn contents(&self, piece: &Piece) -> io::Result<Option<Contents>> {
        let state = self.inner.log.lock();
        if let Some(contents) = state.segments.get(&piece.segment.base).and_then(|sealed| sealed.contents.clone()) {
            return Ok(Some(contents));
        }
        drop(state);
        let file = self.inner.log.file(&piece.segment)?;
        // A footer that is damaged since the stream was opened costs time, and nothing else.
        Ok(read_end(&*file, file.length()?)?.and_then(|(footer, _)| Contents::decode(&footer)))
    }
}

/// The piece of the segment that an offset is in, or the next one that there is.
pub(super) fn piece(state: &State, offset: u64) -> Option<Piece> {
    let before = state.segments.range(..=offset).next_back().filter(|(_, sealed)| offset < sealed.next);
    let has_offsets = |sealed: &Sealed| sealed.next > offset.max(sealed.segment.base);
    let sealed = before.or_else(|| state.segments.range(offset..).find(|(_, sealed)| has_offsets(sealed)));
    if let Some((_, sealed)) = sealed {
        return Some(Piece {
            segment: Arc::clone(&sealed.segment),
            start: sealed.contents.as_ref().and_then(|contents| contents.place_of(offset)),
            end: sealed.footer_at.min(sealed.segment.on_disk()),
            next: sealed.next,
            is_sealed: true,
        });
    }
    let (segment, _) = state.tail.active()?;
    Some(Piece {
        segment: Arc::clone(segment),
        start: state.filling.place_of(offset),
        end: segment.on_disk(),
        next: state.tail.next(),
        is_sealed: false,
    })
}
