//! One log for all durable sessions and queues of a node. A message that goes to many of them is stored once; each takes its
//! messages out in any order. Memory does not grow with what waits, and a segment is removed when nothing in it waits.
//!
//! `append`, `acknowledge`, `read` are what happens in the field of the day; `rewrite` gives the disk
//! back what is dead beside what waits; `recover` is how the state is found again;
//! `record`, `snapshot`, `footer` are the format.

mod acknowledge;
mod append;
mod destination;
mod examined;
mod footer;
mod label;
mod options;
mod placement;
mod read;
mod record;
mod recover;
mod retained;
mod rewrite;
mod room;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod wide;

pub use options::{DestinationOptions, DropReason, SpoolOptions};
pub use placement::{ExactlyOnce, Ordinal, Placed, Placement, ReadOn, Spooled};
pub use recover::Recovery;
pub use rewrite::{RewriteError, RewriteStep, Rewriter};

pub(crate) use examined::footer_of;
pub(crate) use record::KIND_MESSAGE;
pub(crate) use state::LOG_KIND;

pub use crate::log::{AppendError, Damage, OpenError, ReadError};

use std::sync::Arc;
use std::task::{Poll, Waker};

use message::DestinationId;

use self::state::State;
use self::wide::WideRecords;
use crate::Durability;
use crate::log::{CommitPoint, Intake, Log, Poisoned};

/// The spool, opened. Clones share it. What was appended is written by the committer that it was opened with, even if all
/// clones are gone.
#[derive(Debug, Clone)]
pub struct Spool {
    log: Arc<Log<State>>,
    /// Records that many destinations read one after the other.
    wide: Arc<WideRecords>,
}

/// What is known of one destination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DestinationState {
    /// All below is out.
    pub low: Ordinal,
    /// What the next message gets.
    pub next: Ordinal,
    pub waiting_messages: u64,
    /// About so many: what is acknowledged counts as the average of its segment.
    pub waiting_bytes: u64,
    /// QoS 2 messages that the receiver has confirmed and that wait for PUBCOMP.
    pub received: Vec<Ordinal>,
    /// QoS 2 packet ids that this session published and has not released.
    pub inbound: Vec<u16>,
    /// Messages that were lost to limits and damage, by `DropReason as usize`.
    pub dropped: [u64; DropReason::ALL.len()],
}

/// What a spool counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolFigures {
    /// Files, the one that is being filled among them.
    pub segments: usize,
    pub bytes: u64,
    pub destinations: usize,
    /// Since the spool was opened: segments that were written anew, and bytes that this gave back.
    pub rewritten_segments: u64,
    pub freed_bytes: u64,
    /// When it was opened: places that could not be read, messages that were lost by that, and bytes that were copied aside.
    pub damaged_places: u64,
    pub lost_messages: u64,
    pub quarantined_bytes: u64,
}

impl Spool {
    /// Says what a destination asks for: after opening for all, and when one is new. Saying it again changes it.
    pub fn add(&self, destination: DestinationId, options: DestinationOptions) -> Result<(), ReadError> {
        let keys = self.keys_of(destination, options.policy)?;
        let mut state = self.log.lock();
        let found = state.destinations.entry(destination).or_default();
        found.options = options;
        found.keys = keys;
        Ok(())
    }

    /// All destinations that are known, in no particular order: those that nobody adds any more are to be removed.
    pub fn destinations(&self) -> Vec<DestinationId> {
        self.log.lock().destinations.keys().copied().collect()
    }

    /// Whether this point is reached: one look at a number.
    pub fn committed(&self, point: CommitPoint) -> bool {
        self.log.marks.reached(point)
    }

    /// Waits for a point. One who asks often is woken once.
    pub fn poll_committed(&self, point: CommitPoint, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        self.log.poll(point, waker)
    }

    /// The point at which all is on the disk that was appended so far, whatever its durability.
    pub fn sync_point(&self) -> CommitPoint {
        let mut state = self.log.lock();
        let point = CommitPoint::at(state.tail.next(), Durability::Fsync);
        if !self.committed(point) {
            state.tail.want_sync();
        }
        self.log.unlock(state);
        point
    }

    /// How the spool takes in: publishers wait while it is crowded.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.log.intake
    }

    /// How often the disk had no room for what was to be written since the spool was opened, and the bytes that it had left when
    /// it was last looked at.
    pub fn shortages(&self) -> (u64, u64) {
        self.log.shortages()
    }

    /// Why the spool takes no more, once a write or a sync has failed.
    pub fn failure(&self) -> Option<Poisoned> {
        self.log.marks.poisoned()
    }

    /// Waits until the spool takes no more.
    pub fn poll_failure(&self, waker: &Waker) -> Poll<Poisoned> {
        self.log.marks.poll_poisoned(waker)
    }

    /// What it counts.
    pub fn figures(&self) -> SpoolFigures {
        let state = self.log.lock();
        let (rewritten_segments, freed_bytes) = state.rewritten;
        SpoolFigures {
            segments: state.segments.len() + usize::from(state.tail.active().is_some()),
            bytes: state.bytes(),
            destinations: state.destinations.len(),
            rewritten_segments,
            freed_bytes,
            damaged_places: state.damaged.0,
            lost_messages: state.damaged.1,
            quarantined_bytes: state.quarantined_bytes,
        }
    }

    /// Messages that wait in a destination, sent or not, and about how many bytes they have.
    pub fn waiting(&self, destination: DestinationId) -> (u64, u64) {
        let state = self.log.lock();
        let found = state.destinations.get(&destination);
        found.map_or((0, 0), |found| (found.waiting_messages, found.waiting_bytes))
    }

    /// What is known of a destination; `None` when it was never added and nothing came for it.
    pub fn state(&self, destination: DestinationId) -> Option<DestinationState> {
        let state = self.log.lock();
        let found = state.destinations.get(&destination)?;
        Some(DestinationState {
            low: Ordinal(found.low),
            next: Ordinal(found.next),
            waiting_messages: found.waiting_messages,
            waiting_bytes: found.waiting_bytes,
            received: found.received.iter().copied().map(Ordinal).collect(),
            inbound: found.inbound.iter().copied().collect(),
            dropped: found.dropped,
        })
    }
}
