//! Lets a new segment take the place of those that it was made of.

use super::choose::Source;
use super::copy::Written;
use crate::spool::destination::{Destination, Extent};
use crate::spool::state::{Sealed, State};

impl State {
    /// From now on the messages of the sources are in the new segment. What was acknowledged since it was begun is out
    /// there too.
    pub(super) fn swap(&mut self, sources: &[Source], written: Written) {
        let Written { segment, bytes, destinations, extents } = written;
        let bases: Vec<u64> = sources.iter().map(|source| source.segment.base).collect();
        let (mut live, mut live_bytes) = (0, 0);
        for id in destinations {
            let Some(destination) = self.destinations.get_mut(&id) else { continue };
            let (messages, waiting_bytes) = destination.move_extents(&bases, extents.get(&id).copied());
            live += messages;
            live_bytes += waiting_bytes;
        }
        for base in &bases {
            if let Some(sealed) = self.segments.remove(base) {
                self.segments_bytes = self.segments_bytes.saturating_sub(sealed.bytes);
                self.tail.remove(sealed.segment);
            }
        }
        if live == 0 {
            self.emptied.push(segment.base);
        }
        self.segments_bytes += bytes;
        let looked = (live, bytes);
        let sealed = Sealed { segment, bytes, live, live_bytes, looked, stays_alone: false, has_state: false };
        self.segments.insert(sealed.segment.base, sealed);
        self.release(sources);
    }
}

impl Destination {
    /// Replaces the extents in these segments by one; messages and bytes that wait in it are the answer.
    fn move_extents(&mut self, bases: &[u64], new: Option<Extent>) -> (u64, u64) {
        let from = self.extents.partition_point(|extent| bases.first().is_some_and(|first| extent.segment < *first));
        let to = self.extents.partition_point(|extent| bases.last().is_some_and(|last| extent.segment <= *last));
        let (mut live, mut bytes) = (0, 0);
        for extent in self.extents.drain(from..to) {
            live += extent.live;
            bytes += extent.bytes;
        }
        match new.filter(|_| live > 0) {
            Some(extent) => {
                self.extents.insert(from, Extent { live, bytes, ..extent });
                (u64::from(live), bytes)
            }
            None => (0, 0),
        }
    }
}
