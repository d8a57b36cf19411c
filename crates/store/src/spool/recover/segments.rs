//! Reads the files of a spool in order: footers where they say enough, records where the state has to be found.

use std::io;
use std::path::Path;

use super::replay::{Index, Replay};
use crate::disk::Disk;
use crate::log::{LogFile, LogFiles, LogRecovery, Segment};
use crate::spool::footer;
use crate::spool::record::KIND_SNAPSHOT;

/// Hands everything that the files hold to the replay.
pub(super) fn replay_files(found: &LogFiles, replay: &mut Replay, recovery: &mut LogRecovery) -> io::Result<()> {
    let files = &found.files;
    let mut from = None;
    for (index, file) in files.iter().enumerate().rev() {
        if file.begins_with(KIND_SNAPSHOT)? {
            from = Some(index);
            break;
        }
    }
    replay.from = from.and_then(|from| files.get(from)).map(|file| file.segment.base);
    replay.state_is_whole = files.is_empty() || from.is_some_and(|from| from + 1 == files.len());
    for (index, file) in files.iter().enumerate() {
        let after = files.get(index + 1).map(|next| next.segment.base);
        let with_state = from.is_none_or(|from| index >= from);
        if !replay_sealed(file, with_state, replay, recovery)? {
            replay_open(file, with_state, (after, found.promised), replay, recovery)?;
        }
        if file.header_is_damaged {
            replay.repair_header(&file.segment);
        }
    }
    replay.missing_end(found.report_missing_end(replay.next, recovery));
    Ok(())
}

/// Removes files that were being written when the process ended. One that stays does no harm.
pub(super) fn remove_unfinished(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for name in disk.list(folder)?.iter().filter(|name| Segment::is_unfinished(name)) {
        let _ = disk.remove(&folder.join(name));
    }
    Ok(())
}

/// Takes a sealed segment in; whether it is one.
fn replay_sealed(
    file: &LogFile,
    with_state: bool,
    replay: &mut Replay,
    recovery: &mut LogRecovery,
) -> io::Result<bool> {
    let Some(trailer) = file.sealed else { return Ok(false) };
    let footer = file.footer()?;
    let Some(extents) = footer.and_then(|footer| footer::decode(&footer, file.segment.base)) else { return Ok(false) };
    let is_whole = if with_state {
        file.read_sealed(trailer, recovery, |found| replay.record(found, None))?
    } else {
        file.pass_over(recovery);
        false
    };
    replay.sealed(&file.segment, file.length, trailer, &extents);
    replay.last_is_whole = is_whole;
    Ok(true)
}

fn replay_open(
    file: &LogFile,
    with_state: bool,
    (after, promised): (Option<u64>, u64),
    replay: &mut Replay,
    recovery: &mut LogRecovery,
) -> io::Result<()> {
    let mut index = Index::default();
    let read = file.read_open(after, promised, recovery, |found| {
        if with_state {
            replay.record(found, Some(&mut index));
        } else {
            index.record(found);
        }
    })?;
    replay.open(&file.segment, read, index);
    Ok(())
}
