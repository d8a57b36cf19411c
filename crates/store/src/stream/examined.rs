//! What those need to know of a stream's format who examine or repair its files.

use super::footer::Contents;
use super::state::publication_at;
use crate::log::{SEGMENT_HEADER_BYTES, Scanned, Segment, scan};

/// The footer for a file that has these bytes so far, and what was found in them.
pub(crate) fn footer_of(bytes: &[u8], segment: &Segment) -> (Vec<u8>, Scanned) {
    let mut contents = Contents::default();
    let scanned = scan(bytes, SEGMENT_HEADER_BYTES, segment.base, segment.seed, |found| {
        if publication_at(found.header.kind).is_some() {
            let place = u32::try_from(found.at).unwrap_or(u32::MAX);
            contents.add(found.header.seq, place, found.header.timestamp_us);
        }
    });
    (contents.encode(), scanned)
}
