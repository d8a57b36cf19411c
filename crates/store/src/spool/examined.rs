//! What those need to know of the spool's format who examine or repair its files.

use std::ops::Range;

use message::DestinationId;

use super::Spool;
use super::footer;
use super::recover::Index;
use crate::log::{Decoder, SEGMENT_HEADER_BYTES, Scanned, Segment, scan};

/// The footer for a file that has these bytes so far, and what was found in them.
pub(crate) fn footer_of(bytes: &[u8], segment: &Segment) -> (Vec<u8>, Scanned) {
    let mut index = Index::default();
    let scanned = scan(bytes, SEGMENT_HEADER_BYTES, segment.base, segment.seed, |found| index.record(found));
    let mut entries = index.entries(segment.base);
    (footer::encode(&mut entries, bytes.len() as u64), scanned)
}

impl Spool {
    /// Messages that wait and lie in this part of a sealed segment, by its footer: whose, the first ordinal and the one after
    /// the last.
    pub(crate) fn waiting_within(
        &self,
        segment: &Segment,
        footer: &[u8],
        footer_at: u64,
        range: Range<u64>,
    ) -> Vec<(DestinationId, u64, u64)> {
        let mut waiting: Vec<(DestinationId, u64, u64)> = Vec::new();
        let state = self.log.lock();
        for (id, extent) in footer::decode(footer, segment.base).unwrap_or_default() {
            let Some(destination) = state.destinations.get(&id) else { continue };
            let list = usize::try_from(u64::from(extent.places_at).saturating_sub(footer_at)).unwrap_or(usize::MAX);
            let mut places = Decoder::new(footer, list);
            for ordinal in extent.first..extent.end() {
                let Some(place) = places.number_u32() else { break };
                if !range.contains(&u64::from(place)) || !destination.waits(ordinal) {
                    continue;
                }
                match waiting.last_mut() {
                    Some((last, _, end)) if (*last, *end) == (id, ordinal) => *end += 1,
                    _ => waiting.push((id, ordinal, ordinal + 1)),
                }
            }
        }
        waiting
    }
}
