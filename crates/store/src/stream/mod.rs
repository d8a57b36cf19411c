//! A stream: messages in the order in which they came, read by anyone from any offset, as often as they like. Its oldest
//! segments go when it has more than it shall keep.
//!
//! An offset is a message's number in the log: it counts up from zero and is never used twice. Where messages are missing,
//! as retention took them or as their records are damaged, reading says how many.

mod examined;
mod footer;
mod read;
mod recover;
mod staged;
mod state;
#[cfg(test)]
mod tests;

pub use read::{ReadOn, Streamed};

pub(crate) use examined::footer_of;
pub(crate) use state::{LOG_KIND, publication_at};

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use message::{Publication, Timestamp, limits};
use parking_lot::Mutex;

use self::read::Resume;
use self::state::{KIND_MESSAGE, KIND_STAGED, State};
use crate::log::{AppendError, CommitPoint, HEADER_BYTES, Intake, Log, Poisoned, encode_publication};
use crate::spool::Ordinal;
use crate::{DestinationLimits, Durability};

/// The place of a message in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

/// How a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    pub durability: Durability,
    /// Beyond these the oldest segments go. Bytes are those of the files. A segment is ended when it has an eighth of the
    /// age.
    pub retention: DestinationLimits,
    /// A segment is ended when it has so many bytes.
    pub segment_bytes: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        let segment_bytes = limits::LOG_SEGMENT_BYTES;
        Self { durability: Durability::Fsync, retention: DestinationLimits::NONE, segment_bytes }
    }
}

/// What is known of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamState {
    /// The first offset that is kept.
    pub earliest: Offset,
    /// What the next message gets.
    pub next: Offset,
    pub messages: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Messages that retention has taken out since it was opened.
    pub trimmed: u64,
    /// Messages that were missing at its end, or behind the last whole record of a file, when it was opened, and those whose
    /// records were found damaged since then, each time they were read.
    pub damaged: u64,
}

/// Messages that were thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purge {
    /// How many those are.
    pub messages: u64,
    /// Files that are to be removed by then.
    files: u64,
}

/// A stream, opened. Clones share it.
#[derive(Debug, Clone)]
pub struct Stream {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Arc<Log<State>>,
    /// Where reads ended, for those who read on from there.
    resume: Mutex<VecDeque<Resume>>,
    damaged: std::sync::atomic::AtomicU64,
}

/// When it was asked whether there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Before,
    Now,
}

/// At most so many bytes has the record of a message; an error if that is more than a record may have.
fn record_bytes(publication: &Publication) -> Result<usize, AppendError> {
    let bytes = HEADER_BYTES + 32 + publication.weight_bytes();
    if bytes > limits::LOG_RECORD_BYTES_MAX { Err(AppendError::TooLarge { bytes }) } else { Ok(bytes) }
}

impl Stream {
    /// Appends a message. `placed` is called with its offset under the stream's lock, so that whoever keeps messages in
    /// memory too sees them in their order: it must be short and must not call the stream.
    pub fn append(
        &self,
        now: Timestamp,
        publication: &Publication,
        placed: impl FnOnce(Offset),
    ) -> Result<(Offset, CommitPoint), AppendError> {
        self.append_as(now, publication, None, Asked::Now, placed)
    }

    /// Whether [`Self::append_asked`] will take this message. Whoever brings others meanwhile cannot take its room away: only
    /// a disk that fails can.
    pub fn ask(&self, publication: &Publication) -> Result<(), AppendError> {
        let bytes = record_bytes(publication)?;
        let log = &self.inner.log;
        if let Some(poisoned) = log.marks.poisoned() {
            return Err(poisoned.into());
        }
        match log.room_about(bytes).refusal() {
            None => Ok(()),
            Some(error) => {
                log.ask_for_room(log.lock());
                Err(error)
            }
        }
    }

    /// As [`Self::append`], after [`Self::ask`] said that there is room.
    pub fn append_asked(
        &self,
        now: Timestamp,
        publication: &Publication,
    ) -> Result<(Offset, CommitPoint), AppendError> {
        self.append_as(now, publication, None, Asked::Before, |_| {})
    }

    /// How the stream takes in: publishers wait while it is crowded.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.inner.log.intake
    }

    /// Appends a message, and with it the ordinal that it had where it waited before, if it did.
    fn append_as(
        &self,
        now: Timestamp,
        publication: &Publication,
        staged: Option<Ordinal>,
        asked: Asked,
        placed: impl FnOnce(Offset),
    ) -> Result<(Offset, CommitPoint), AppendError> {
        let bytes = record_bytes(publication)?;
        let log = &self.inner.log;
        let mut state = log.lock();
        if let Some(poisoned) = log.marks.poisoned() {
            return Err(poisoned.into());
        }
        if asked == Asked::Now
            && let Some(error) = log.room(&state.tail, bytes).refusal()
        {
            log.ask_for_room(state);
            return Err(error);
        }
        state.make_segment(now, bytes);
        let durability = state.options.durability;
        let State { tail, filling, .. } = &mut *state;
        let offset = tail.next();
        let mut point = CommitPoint::REACHED;
        let kind = if staged.is_some() { KIND_STAGED } else { KIND_MESSAGE };
        if let Some(begun) = tail.begin(now, kind) {
            let (start, place) = (begun.start, begun.place);
            if let Some(ordinal) = staged {
                begun.buffer.extend_from_slice(&ordinal.0.to_le_bytes());
            }
            encode_publication(begun.buffer, publication, now);
            point = tail.finish(start, durability);
            filling.add(offset, place, now.as_micros());
        }
        placed(Offset(offset));
        log.unlock(state);
        Ok((Offset(offset), point))
    }

    /// Whether this is the same stream, opened once.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// What is known of the stream.
    pub fn state(&self) -> StreamState {
        let state = self.inner.log.lock();
        StreamState {
            earliest: Offset(state.earliest()),
            next: Offset(state.tail.next()),
            messages: state.messages(),
            bytes: state.bytes(),
            trimmed: state.trimmed,
            damaged: self.inner.damaged.load(std::sync::atomic::Ordering::Relaxed),
        }
    }

    /// Changes how the stream is kept, from now on.
    pub fn set_options(&self, options: StreamOptions) {
        self.inner.log.lock().options = options;
    }

    /// Lets the oldest segments go as far as the stream has more than it shall keep. Messages that are gone are the answer.
    pub fn trim(&self, now: Timestamp) -> u64 {
        let mut state = self.inner.log.lock();
        let gone = state.trim(now);
        self.inner.log.unlock(state);
        gone
    }

    /// Lets all messages go that are there now; offsets go on.
    pub fn purge(&self) -> Purge {
        let mut state = self.inner.log.lock();
        let messages = state.purge();
        let files = state.tail.removals_asked();
        self.inner.log.unlock(state);
        Purge { messages, files }
    }

    /// Waits until what was thrown away does not come back, whatever ends the process.
    pub fn poll_purged(&self, purge: Purge, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        self.inner.log.marks.poll_removed(purge.files, waker)
    }

    /// Whether this point is reached: one look at a number.
    pub fn committed(&self, point: CommitPoint) -> bool {
        self.inner.log.marks.reached(point)
    }

    /// Gives no message an offset below this one from now on: someone has seen messages there that a loss of power took.
    /// Returns how many offsets are left out.
    pub fn leave_out(&self, below: Offset) -> u64 {
        let mut state = self.inner.log.lock();
        let next = state.tail.next();
        if below.0 <= next {
            return 0;
        }
        state.seal();
        state.tail.leave_out(below.0);
        let left_out = state.tail.next() - next;
        self.inner.log.unlock(state);
        left_out
    }

    /// Waits for a point. One who asks often is woken once.
    pub fn poll_committed(&self, point: CommitPoint, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        self.inner.log.poll(point, waker)
    }

    /// Waits until a message at this offset, or behind it, can be read.
    pub fn poll_readable(&self, from: Offset, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        let state = self.inner.log.lock();
        let from = state.awaited(from.0);
        let durability = state.options.durability.max(Durability::Os);
        drop(state);
        self.inner.log.poll(CommitPoint::at(from.saturating_add(1), durability), waker)
    }

    /// How often the disk had no room for what was to be written since the stream was opened, and the bytes that it had left when
    /// it was last looked at.
    pub fn shortages(&self) -> (u64, u64) {
        self.inner.log.shortages()
    }

    /// Why the stream takes no more, once a write or a sync has failed.
    pub fn failure(&self) -> Option<Poisoned> {
        self.inner.log.marks.poisoned()
    }

    /// Waits until the stream takes no more.
    pub fn poll_failure(&self, waker: &Waker) -> Poll<Poisoned> {
        self.inner.log.marks.poll_poisoned(waker)
    }
}
