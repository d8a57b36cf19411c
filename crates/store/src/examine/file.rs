//! One file of a log, read from end to end.

use std::io;

use super::{DamagedRange, FileReport, LogKind};
use crate::log::{Damage, Found, LogFile, LogRecovery};
use crate::spool::Spool;

/// Reads a file. `after` is the base of the next one, `promised` how far the log was synced once.
pub(super) fn examine(
    file: &LogFile,
    kind: LogKind,
    (after, promised): (Option<u64>, u64),
    spool: Option<&Spool>,
) -> io::Result<FileReport> {
    let mut found = LogRecovery::default();
    let (mut records, mut messages, mut first, mut next) = (0, 0, None, file.segment.base);
    let visit = |record: Found<'_>| {
        records += 1;
        messages += u64::from(kind.is_message(record.header.kind));
        first.get_or_insert(record.header.seq);
        next = record.header.seq.saturating_add(1);
    };
    match &file.sealed {
        Some(trailer) => {
            file.read_sealed(*trailer, &mut found, visit)?;
            next = trailer.next;
        }
        None => {
            file.read_open(after, promised, &mut found, visit)?;
        }
    }
    let mut damage = Vec::new();
    for Damage { at, bytes, records, what, .. } in found.damage {
        let lost = match (spool, file.sealed, file.footer()?) {
            (Some(spool), Some(trailer), Some(footer)) => {
                spool.waiting_within(&file.segment, &footer, trailer.footer_at, at..at.saturating_add(bytes))
            }
            _ => Vec::new(),
        };
        damage.push(DamagedRange { at, bytes, records, what, lost });
    }
    Ok(FileReport {
        name: file.segment.file_name(),
        bytes: file.length,
        is_sealed: file.sealed.is_some(),
        records,
        messages,
        first,
        next,
        gap_before: 0,
        unfinished_bytes: found.cut_bytes,
        damage,
    })
}
