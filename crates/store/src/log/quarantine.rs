//! Damaged bytes are copied aside before anything is written over them, so that someone who knows what they were can
//! still look at them. They lie in `quarantine/` in the folder of the log, in a file each: `{file}.at-{place}`.

use std::io;
use std::path::Path;

use message::limits;

use super::files::LogRecovery;
use crate::disk::Disk;

/// The folder, in that of the log.
pub(crate) const QUARANTINE_FOLDER: &str = "quarantine";

/// Copies what is damaged aside, each place once and all together at most so many bytes as may be kept; a copy that
/// cannot be made is no reason not to start.
pub(crate) fn set_aside(disk: &dyn Disk, folder: &Path, recovery: &mut LogRecovery) {
    if recovery.damage.iter().all(|damage| damage.bytes == 0) {
        return;
    }
    let aside = folder.join(QUARANTINE_FOLDER);
    let Ok(mut kept) = disk.create_folder(&aside).and_then(|()| bytes_in(disk, &aside)) else { return };
    for damage in recovery.damage.iter().filter(|damage| damage.bytes > 0) {
        if kept.saturating_add(damage.bytes) > limits::LOG_QUARANTINE_BYTES_MAX {
            continue;
        }
        if let Ok(bytes) = copy(disk, folder, &aside, &damage.file, damage.at, damage.bytes) {
            kept += bytes;
            recovery.quarantined_bytes += bytes;
        }
    }
    // Without it a loss of power takes the copies back, and they are made again.
    let _ = disk.sync_folder(&aside);
}

fn bytes_in(disk: &dyn Disk, aside: &Path) -> io::Result<u64> {
    disk.list(aside)?.iter().map(|name| disk.open(&aside.join(name))?.length()).sum()
}

/// Copies a piece of a file; how many bytes were new is the answer.
pub(crate) fn copy(disk: &dyn Disk, folder: &Path, aside: &Path, file: &str, at: u64, bytes: u64) -> io::Result<u64> {
    let name = format!("{file}.at-{at}");
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let content = disk.open(&folder.join(file))?.read_up_to(at, length)?;
    if content.is_empty() {
        return Ok(0);
    }
    let path = aside.join(name);
    if let Ok(there) = disk.open(&path)
        && there.length()? == content.len() as u64
    {
        return Ok(0);
    }
    let copy = disk.create(&path)?;
    copy.write_all_at(0, &content)?;
    copy.sync_data()?;
    Ok(content.len() as u64)
}
