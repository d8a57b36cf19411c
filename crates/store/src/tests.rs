//! What the tests of spools and streams share.

use std::path::Path;

use crate::log::{SEGMENT_HEADER_BYTES, Segment, scan};

/// Places at which files are damaged, each time anew. `STORE_TEST_PLACES` asks for more than a quick run has time for.
pub(crate) fn places() -> u32 {
    std::env::var("STORE_TEST_PLACES").ok().and_then(|number| number.parse().ok()).unwrap_or(500)
}

/// Whether a file of a log of this kind ends with a whole record, or has none yet.
pub(crate) fn ends_with_record(kind: u32, path: &Path, bytes: &[u8]) -> bool {
    let (base, generation) = Segment::parse_name(path.file_name().unwrap().to_str().unwrap()).unwrap();
    let segment = Segment::new(kind, base, generation, 0);
    let scanned = scan(bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), base, segment.seed, |_| {});
    bytes.len() <= SEGMENT_HEADER_BYTES || scanned.end == bytes.len()
}
