//! What the spool's lock guards: the destinations, the segments that still hold something, and the end of the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use message::{DestinationId, Timestamp};

use super::destination::{Destination, Settled};
use super::footer;
use super::options::{DropReason, SpoolOptions};
use super::placement::Placed;
use super::record::{KIND_DROPPED, KIND_SETTLED, KIND_SNAPSHOT, put_dropped, put_settled};
use super::retained::Untold;
use super::room::Coming;
use super::snapshot::put_snapshot;
use crate::Durability;
use crate::log::{CommitPoint, HasTail, Segment, Tail};

/// What kind of log a spool is.
pub(crate) const LOG_KIND: u32 = 1;

/// A sealed segment that holds messages that wait.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) segment: Arc<Segment>,
    pub(super) bytes: u64,
    /// Placements that wait.
    pub(super) live: u64,
    /// About so many bytes wait; a message counts once for each destination.
    pub(super) live_bytes: u64,
    /// `live` and `live_bytes` when it was last looked at whether it is worth being written anew; at first what it had
    /// when it was sealed, and all its bytes.
    pub(super) looked: (u64, u64),
    /// It does not fit together with its neighbours.
    pub(super) stays_alone: bool,
    /// It is whole as it was filled: it begins with a snapshot, and has all that was written down since.
    pub(super) has_state: bool,
}

impl Sealed {
    /// The file has all of it.
    pub(super) fn is_on_disk(&self) -> bool {
        self.segment.on_disk() >= self.bytes
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: SpoolOptions,
    /// When the last message was appended: the time of records that nobody reads by time.
    pub(super) now: Timestamp,
    pub(super) tail: Tail,
    pub(super) destinations: HashMap<DestinationId, Destination, foldhash::fast::RandomState>,
    /// By base.
    pub(super) segments: BTreeMap<u64, Sealed>,
    pub(super) segments_bytes: u64,
    /// Where the snapshot and the labels end that the segment which is being filled begins with: it is not ended before it holds as much
    /// beside it, however many destinations there are.
    pub(super) snapshot_end: u64,
    /// Destinations with messages in the segment that is being filled.
    pub(super) filling: Vec<DestinationId>,
    /// Segments whose last message was acknowledged.
    pub(super) emptied: Vec<u64>,
    /// Segments that are just being written anew: they stay until that is done.
    pub(super) rewriting: Vec<u64>,
    /// Segments that were written anew since the spool was opened, and bytes that this gave back.
    pub(super) rewritten: (u64, u64),
    /// Places that were damaged when the spool was opened, and messages that were lost by it.
    pub(super) damaged: (u64, u64),
    pub(super) quarantined_bytes: u64,
    /// Room that is being made on a disk that is short of it.
    pub(super) coming: Coming,
    /// Retained messages that the table may not have.
    pub(super) retained: Untold,
    /// Kept for their memory.
    pub(super) results: Vec<Placed>,
    pub(super) making_room: Vec<(DestinationId, u64, DropReason)>,
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
    pub(super) fn new(options: SpoolOptions, tail: Tail) -> Self {
        Self {
            options,
            now: Timestamp::default(),
            tail,
            destinations: HashMap::default(),
            segments: BTreeMap::new(),
            segments_bytes: 0,
            snapshot_end: 0,
            filling: Vec::new(),
            emptied: Vec::new(),
            rewriting: Vec::new(),
            rewritten: (0, 0),
            damaged: (0, 0),
            quarantined_bytes: 0,
            coming: Coming::default(),
            retained: Untold::default(),
            results: Vec::new(),
            making_room: Vec::new(),
        }
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments_bytes + self.tail.active().map_or(0, |(_, bytes)| bytes)
    }

    /// Makes sure that a segment is there to append `bytes` to.
    pub(super) fn make_segment(&mut self, bytes: usize) {
        let fits = self.tail.active().is_some_and(|(_, filled)| {
            let has_room = filled.saturating_add(bytes as u64) <= self.options.segment_bytes;
            has_room && !self.tail.has_better_file() || filled <= 2 * self.snapshot_end
        });
        if !fits {
            self.seal();
            self.begin();
        }
    }

    /// Ends the segment that is being filled.
    fn seal(&mut self) {
        let Some(segment) = self.tail.active().map(|(segment, _)| Arc::clone(segment)) else { return };
        let mut entries = Vec::new();
        for id in self.filling.drain(..) {
            let sealed = self.destinations.get_mut(&id).and_then(|destination| destination.seal(&segment));
            entries.extend(sealed.map(|(extent, places)| (id, extent, places)));
        }
        let footer = footer::encode(&mut entries, self.tail.footer_at());
        let bytes = self.tail.seal_segment(&footer);
        let live = entries.iter().map(|(_, extent, _)| u64::from(extent.live)).sum();
        let live_bytes = entries.iter().map(|(_, extent, _)| extent.bytes).sum();
        for (id, extent, _) in entries {
            if let Some(destination) = self.destinations.get_mut(&id) {
                destination.extents.push_back(extent);
            }
        }
        if live == 0 {
            self.emptied.push(segment.base);
        }
        self.segments_bytes += bytes;
        let looked = (live, bytes);
        let sealed = Sealed { segment, bytes, live, live_bytes, looked, stays_alone: false, has_state: true };
        self.segments.insert(sealed.segment.base, sealed);
    }

    /// Begins a segment with a snapshot of all destinations.
    fn begin(&mut self) {
        self.tail.begin_segment();
        let (destinations, retained) = (&self.destinations, &mut self.retained);
        if let Some(begun) = self.tail.begin(self.now, KIND_SNAPSHOT) {
            let start = begun.start;
            put_snapshot(begun.buffer, destinations.iter());
            retained.put(begun.buffer, self.now);
            self.tail.finish(start, Durability::Fsync);
        }
        self.put_labels();
        self.snapshot_end = self.tail.active().map_or(0, |(_, filled)| filled);
        self.remove_emptied();
    }

    /// Lets segments go that hold nothing that waits. The segment that is being filled begins with the state that says so.
    pub(super) fn remove_emptied(&mut self) {
        if self.tail.active().is_none() {
            return;
        }
        let rewriting = &self.rewriting;
        for base in self.emptied.extract_if(.., |base| !rewriting.contains(base)) {
            if self.segments.get(&base).is_some_and(|sealed| sealed.live == 0)
                && let Some(sealed) = self.segments.remove(&base)
            {
                self.segments_bytes = self.segments_bytes.saturating_sub(sealed.bytes);
                self.tail.remove(sealed.segment);
            }
        }
    }

    /// Appends a small record about the state.
    pub(super) fn put_state(
        &mut self,
        kind: u8,
        durability: Durability,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> CommitPoint {
        self.make_segment(64);
        let Some(begun) = self.tail.begin(self.now, kind) else { return CommitPoint::REACHED };
        let start = begun.start;
        body(begun.buffer);
        self.tail.finish(start, durability)
    }

    /// Takes messages out of a destination and writes that down. Those that had left already are taken from the list.
    pub(super) fn settle(
        &mut self,
        id: DestinationId,
        reason: Option<DropReason>,
        ordinals: &mut Vec<u64>,
    ) -> CommitPoint {
        let Some(destination) = self.destinations.get_mut(&id) else { return CommitPoint::REACHED };
        let durability = destination.options.durability;
        ordinals.sort_unstable();
        ordinals.retain(|ordinal| {
            let Some(settled) = destination.settle(*ordinal) else { return false };
            if let Settled::In { segment, bytes } = settled {
                count_out(&mut self.segments, &mut self.emptied, segment, 1, bytes);
            }
            true
        });
        if ordinals.is_empty() {
            // What made it so may still be under way.
            return CommitPoint::at(self.tail.next(), durability);
        }
        if let Some(reason) = reason
            && let Some(count) = destination.dropped.get_mut(reason.index())
        {
            *count += ordinals.len() as u64;
        }
        let point = self.write_settled(id, reason, ordinals);
        self.remove_emptied();
        point
    }

    /// Writes down that these messages left.
    pub(super) fn write_settled(
        &mut self,
        id: DestinationId,
        reason: Option<DropReason>,
        ordinals: &[u64],
    ) -> CommitPoint {
        let (sent, durability) =
            self.destinations.get(&id).map_or((0, Durability::Os), |it| (it.sent, it.options.durability));
        self.write_dropped(id);
        self.put_state(KIND_SETTLED, durability, |buffer| put_settled(buffer, id, reason, sent, ordinals))
    }

    /// Writes down how many messages a destination dropped when they came in, if that is new: with what is written for it
    /// anyway, as a record for each would cost as much as the message itself.
    fn write_dropped(&mut self, id: DestinationId) {
        let Some(found) = self.destinations.get_mut(&id).filter(|found| found.has_dropped_newest) else { return };
        found.has_dropped_newest = false;
        let count = found.dropped.get(DropReason::Newest.index()).copied().unwrap_or_default();
        self.put_state(KIND_DROPPED, Durability::Os, |buffer| put_dropped(buffer, id, count));
    }
}

/// Counts messages of a segment as gone.
pub(super) fn count_out(
    segments: &mut BTreeMap<u64, Sealed>,
    emptied: &mut Vec<u64>,
    base: u64,
    count: u64,
    bytes: u64,
) {
    if let Some(sealed) = segments.get_mut(&base) {
        sealed.live = sealed.live.saturating_sub(count);
        sealed.live_bytes = sealed.live_bytes.saturating_sub(bytes);
        if sealed.live == 0 {
            emptied.push(base);
        }
    }
}
