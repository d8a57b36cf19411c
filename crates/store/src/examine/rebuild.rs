//! A file without its damage: the records that are whole, as they were, and a new index of them.

use std::io;
use std::sync::Arc;

use super::LogKind;
use crate::log::{Header, KIND_MARK, LogFile, SEGMENT_HEADER_BYTES, Segment, Trailer, scan};
use crate::{spool, stream};

/// The segment that takes the place of a damaged one, and what its file has.
pub(super) struct Rebuilt {
    pub(super) segment: Arc<Segment>,
    pub(super) bytes: Vec<u8>,
}

/// Makes the file anew. `next` is the first number that is surely not in it.
pub(super) fn rebuild(file: &LogFile, kind: LogKind, next: u64) -> io::Result<Rebuilt> {
    let end = file.sealed.map_or(file.length, |trailer| trailer.footer_at);
    let old = file.file.read_up_to(0, usize::try_from(end).unwrap_or(usize::MAX))?;
    let Segment { base, generation, .. } = *file.segment;
    let segment = Segment::new(kind.number(), base, generation + 1, 0);
    let mut bytes = segment.header().to_vec();
    let mut last_us = 0;
    let start = SEGMENT_HEADER_BYTES.min(old.len());
    let scanned = scan(&old, start, base, segment.seed, |found| {
        bytes.extend_from_slice(found.record);
        last_us = found.header.timestamp_us;
    });
    Ok(seal(segment, kind, bytes, last_us, next.max(scanned.next)))
}

/// A file that stands for records of which nothing is left: so their numbers are not given again.
pub(super) fn stand_in(kind: LogKind, base: u64, next: u64) -> Rebuilt {
    let segment = Segment::new(kind.number(), base, 0, 0);
    let bytes = segment.header().to_vec();
    seal(segment, kind, bytes, 0, next)
}

fn seal(segment: Segment, kind: LogKind, mut bytes: Vec<u8>, last_us: i64, next: u64) -> Rebuilt {
    // What is left out at the end is not missing any more.
    let start = Header::begin(&mut bytes, next, last_us, KIND_MARK);
    bytes.extend_from_slice(&next.to_le_bytes());
    Header::finish(&mut bytes, start, segment.seed);
    let footer_at = bytes.len() as u64;
    let (footer, scanned) = match kind {
        LogKind::Spool => spool::footer_of(&bytes, &segment),
        LogKind::Stream => stream::footer_of(&bytes, &segment),
    };
    let trailer = Trailer { footer_at, records: scanned.records, next, checksum: scanned.checksum };
    trailer.encode(&footer, &mut bytes);
    Rebuilt { segment: Arc::new(segment), bytes }
}
