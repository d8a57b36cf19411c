//! Records that very many destinations have, kept in memory while these read them one after the other: each would otherwise
//! read a record of many kilobytes, check it and go through thousands of placements to find its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use message::{Bytes, DestinationId, Publication, limits};
use parking_lot::Mutex;

use super::placement::Placement;
use super::record::{KIND_MESSAGE, message_head, placement, placement_of};
use crate::log::{Decoder, HEADER_BYTES, Header, Segment, decode_publication};

/// One record, whole and taken apart.
#[derive(Debug)]
pub(super) struct Wide {
    /// Base and generation of its segment.
    segment: (u64, u32),
    pub(super) place: u32,
    pub(super) seq: u64,
    /// It does not hold on to the placements.
    pub(super) publication: Publication,
    placements: Box<[u8]>,
    /// In the order of the destinations: where the placement of each begins in `placements`.
    index: Box<[(u64, u32)]>,
    /// How many have read theirs: when all have, nobody needs the record here.
    read: AtomicUsize,
}

impl Wide {
    /// Takes a whole record apart; `None` for one that goes to so few that it is not worth it.
    pub(super) fn new(segment: &Segment, place: u32, record: &Bytes) -> Option<Self> {
        let header = Header::decode(record).filter(|header| header.kind == KIND_MESSAGE)?;
        let mut decoder = Decoder::new(record, HEADER_BYTES);
        let head = message_head(&mut decoder)?;
        if head.placements < limits::SPOOL_WIDE_PLACEMENTS_LEAST || record.len() > limits::SPOOL_WIDE_BYTES_MAX / 2 {
            return None;
        }
        let start = decoder.at();
        let end = start.checked_add(head.placements_bytes)?;
        let placements: Box<[u8]> = record.get(start..end)?.into();
        let mut decoder = Decoder::new(&placements, 0);
        let mut index = Vec::with_capacity(head.placements as usize);
        for _ in 0..head.placements {
            let at = u32::try_from(decoder.at()).ok()?;
            index.push((placement(&mut decoder)?.placement.destination.get(), at));
        }
        index.sort_unstable();
        let rest = Bytes::copy_from_slice(record.get(end..)?);
        Some(Self {
            segment: (segment.base, segment.generation),
            place,
            seq: header.seq,
            publication: decode_publication(&rest, 0, header.timestamp_us)?,
            placements,
            index: index.into(),
            read: AtomicUsize::new(0),
        })
    }

    /// How a destination has this message.
    pub(super) fn placement(&self, destination: DestinationId, ordinal: u64) -> Option<Placement> {
        let first = self.index.partition_point(|(id, _)| *id < destination.get());
        let own = self.index.get(first..)?.iter().take_while(|(id, _)| *id == destination.get());
        own.filter_map(|(_, at)| {
            placement_of(&mut Decoder::new(&self.placements, *at as usize), 1, destination, ordinal)
        })
        .next()
    }

    fn bytes(&self) -> usize {
        self.publication.weight_bytes() + self.placements.len() + size_of_val(&*self.index)
    }
}

/// The records that were read last.
#[derive(Debug, Default)]
pub(super) struct WideRecords(Mutex<VecDeque<Arc<Wide>>>);

impl WideRecords {
    /// What is known of a segment.
    pub(super) fn of_segment(&self, segment: &Segment) -> Vec<Arc<Wide>> {
        let known = self.0.lock();
        known.iter().filter(|wide| wide.segment == (segment.base, segment.generation)).cloned().collect()
    }

    /// Keeps a record, and forgets the oldest ones if they are too many together.
    pub(super) fn keep(&self, wide: Wide) -> Arc<Wide> {
        let mut known = self.0.lock();
        // Two may have read it at the same time.
        let is_same = |other: &&Arc<Wide>| (other.segment, other.place) == (wide.segment, wide.place);
        if let Some(other) = known.iter().find(is_same) {
            return Arc::clone(other);
        }
        let wide = Arc::new(wide);
        known.push_back(Arc::clone(&wide));
        let mut bytes: usize = known.iter().map(|wide| wide.bytes()).sum();
        while bytes > limits::SPOOL_WIDE_BYTES_MAX
            && let Some(oldest) = known.pop_front()
        {
            bytes -= oldest.bytes();
        }
        wide
    }

    /// Counts one who has read his placement; the last one takes the record along.
    pub(super) fn note_read(&self, wide: &Arc<Wide>) {
        if wide.read.fetch_add(1, Ordering::Relaxed) + 1 >= wide.index.len() {
            self.0.lock().retain(|other| !Arc::ptr_eq(other, wide));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
