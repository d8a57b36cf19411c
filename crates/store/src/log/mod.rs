//! Segmented append-only logs. A record is put into memory under one short lock; the [`Committer`] writes and syncs what
//! waits in all logs of a disk as one group, then moves the marks that say how far each log is safe and wakes who waits.
//!
//! `record`, `segment` and `publication` are the format on disk, `tail` is what is not yet there, `scan` reads what was
//! left behind by a process that ended anyhow.

mod bytes_in;
mod committer;
mod marks;
mod publication;
mod ranges;
mod record;
mod scan;
mod segment;
mod shared;
mod tail;

pub use committer::Committer;
pub use marks::{CommitPoint, Poisoned};

pub(crate) use bytes_in::{Decoder, put_varint};
pub(crate) use publication::{decode_publication, encode_publication};
pub(crate) use ranges::Ranges;
pub(crate) use record::{HEADER_BYTES, Header, RECORD_BYTES_LEAST};
pub(crate) use scan::{Found, Scanned, scan};
pub(crate) use segment::{FileHeader, SEGMENT_HEADER_BYTES, Segment, TRAILER_BYTES, Trailer};
pub(crate) use shared::{HasTail, Log, Room};
pub(crate) use tail::{Chunk, Tail};
