//! Messages that waited in the spool before they came here. Each is in the stream once, whatever happens in between: the
//! stream keeps the ordinal that each had in the spool, and they come in the order of these.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use message::{Publication, Timestamp};

use super::read::piece;
use super::state::KIND_STAGED;
use super::{Asked, Offset, Stream};
use crate::log::{AppendError, CommitPoint, HEADER_BYTES, ReadError};
use crate::spool::Ordinal;

impl Stream {
    /// Appends the message that waits in the spool under this ordinal. It may be taken out there when the point is reached.
    pub fn append_staged(
        &self,
        now: Timestamp,
        publication: &Publication,
        ordinal: Ordinal,
    ) -> Result<(Offset, CommitPoint), AppendError> {
        self.append_as(now, publication, Some(ordinal), Asked::Now, |_| {})
    }

    /// The ordinals that messages had in the spool, from `from` on. Segments whose messages are all older than `since` are not
    /// looked into.
    pub fn staged(&self, since: Timestamp, from: Ordinal) -> Result<BTreeSet<Ordinal>, ReadError> {
        let bases: Vec<u64> = {
            let state = self.inner.log.lock();
            let is_young = |newest_us: i64| newest_us >= since.as_micros();
            let sealed = state.segments.iter().filter(|(_, sealed)| sealed.messages > 0 && is_young(sealed.newest_us));
            let active = state.tail.active().map(|(segment, _)| segment.base);
            sealed.map(|(base, _)| *base).chain(active).collect()
        };
        let mut staged = BTreeSet::new();
        for base in bases.into_iter().rev() {
            let found = {
                let state = self.inner.log.lock();
                piece(&state, base)
            };
            let Some(piece) = found else { continue };
            let mut has_earlier = false;
            let walked = self.walk(&piece, base, &mut |header, record| {
                let ordinal = record.get(HEADER_BYTES..).and_then(<[u8]>::first_chunk);
                if let Some(ordinal) = ordinal.filter(|_| header.kind == KIND_STAGED) {
                    let ordinal = Ordinal(u64::from_le_bytes(*ordinal));
                    has_earlier |= ordinal < from;
                    staged.extend((ordinal >= from).then_some(ordinal));
                }
                ControlFlow::Continue(())
            });
            walked.map_err(|error| self.read_error(&piece.segment, &error))?;
            if has_earlier {
                break;
            }
        }
        Ok(staged)
    }
}
