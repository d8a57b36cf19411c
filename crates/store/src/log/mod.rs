//! Segmented append-only logs. A record is put into memory under one short lock; the [`Committer`] writes and syncs what
//! waits in all logs as one group, then moves the marks that say how far each log is safe and wakes who waits.
//!
//! `record`, `segment` and `publication` are the format on disk, `tail` is what is not yet there, `scan` reads what was
//! left behind by a process that ended anyhow.

mod ahead;
mod append_error;
mod bytes_in;
mod committer;
mod end;
mod files;
mod free_bytes;
mod intake;
mod marks;
mod publication;
mod quarantine;
mod ranges;
mod read_error;
mod record;
mod scan;
mod segment;
mod shared;
mod tail;
mod window;

pub use append_error::AppendError;
pub use committer::Committer;
pub use files::{Damage, LogRecovery, OpenError};
pub use intake::Intake;
pub use marks::{CommitPoint, Poisoned};
pub use ranges::Ranges;
pub use read_error::ReadError;

pub(crate) use bytes_in::{Decoder, put_varint};
pub(crate) use committer::is_full;
pub(crate) use files::{LogFile, LogFiles, OpenRead, read_end};
pub(crate) use publication::{decode_publication, encode_publication};
pub(crate) use quarantine::{QUARANTINE_FOLDER, copy as copy_aside, set_aside};
pub(crate) use record::{HEADER_BYTES, Header, RECORD_BYTES_LEAST};
pub(crate) use scan::{Found, Scanned, next_whole, scan, scan_file};
pub(crate) use segment::{SEGMENT_HEADER_BYTES, Segment, Trailer};
pub(crate) use shared::{HasTail, Log};
pub(crate) use tail::{Chunk, KIND_MARK, Tail};
pub(crate) use window::Window;
