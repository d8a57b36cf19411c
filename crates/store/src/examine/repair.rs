//! Takes the damage out of the files of a log. Damaged bytes are copied aside first; each damaged file is written anew
//! without them under its next generation, and the old one removed when the new one is on the disk. Doing it twice changes
//! nothing more, and files that are whole are not touched.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::rebuild::{Rebuilt, rebuild, stand_in};
use super::{LogKind, LogReport, examine};
use crate::disk::{Disk, PatientDisk};
use crate::log::{LogFiles, LogRecovery, OpenError, QUARANTINE_FOLDER, copy_aside};

/// Why a log was not repaired. It is as it was, but for files that were repaired before.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{file} cannot be repaired: {error}; make room or look at the disk, and try again")]
    Disk { file: String, error: io::Error },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What was found before.
    pub report: LogReport,
    /// Files that were written anew, by the names that they have now.
    pub written: Vec<String>,
    /// Bytes that were copied aside.
    pub quarantined_bytes: u64,
}

/// Repairs a log.
pub fn repair(disk: &Arc<dyn Disk>, folder: &Path, kind: LogKind) -> Result<Repaired, RepairError> {
    let report = examine(disk, folder, kind)?;
    let mut repaired = Repaired { report, written: Vec::new(), quarantined_bytes: 0 };
    if repaired.report.is_whole() {
        return Ok(repaired);
    }
    let disk = PatientDisk::around(Arc::clone(disk));
    let mut files = LogFiles::load(&*disk, folder, kind.number(), &mut LogRecovery::default())?;
    files.set_merged_aside();
    for (index, file) in files.files.iter().enumerate() {
        let name = file.segment.file_name();
        let failed = |error| RepairError::Disk { file: name.clone(), error };
        let Some(found) = repaired.report.files.get(index).filter(|found| !found.damage.is_empty()) else { continue };
        let aside = folder.join(QUARANTINE_FOLDER);
        disk.create_folder(&aside).map_err(failed)?;
        for range in found.damage.iter().filter(|range| range.bytes > 0) {
            let copied = copy_aside(&*disk, folder, &aside, &name, range.at, range.bytes);
            repaired.quarantined_bytes += copied.map_err(failed)?;
        }
        disk.sync_folder(&aside).map_err(failed)?;
        let after = files.files.get(index + 1).map(|next| next.segment.base);
        let sealed = file.sealed.map(|trailer| trailer.next);
        let next = sealed.or(after).unwrap_or(files.promised);
        let rebuilt = rebuild(file, kind, next).map_err(failed)?;
        put_in_place(&*disk, folder, &rebuilt).map_err(failed)?;
        disk.remove(&file.segment.path(folder)).map_err(failed)?;
        repaired.written.push(rebuilt.segment.file_name());
    }
    if repaired.report.missing_end_records > 0 {
        let rebuilt = stand_in(kind, files.promised - 1, files.promised);
        let file = rebuilt.segment.file_name();
        put_in_place(&*disk, folder, &rebuilt).map_err(|error| RepairError::Disk { file: file.clone(), error })?;
        repaired.written.push(file);
    }
    disk.sync_folder(folder).map_err(|error| RepairError::Disk { file: folder.display().to_string(), error })?;
    Ok(repaired)
}

/// Writes a file and gives it its name when all of it is on the disk.
fn put_in_place(disk: &dyn Disk, folder: &Path, rebuilt: &Rebuilt) -> io::Result<()> {
    let path = folder.join(rebuilt.segment.unfinished_name());
    let file = disk.create(&path)?;
    file.write_all_at(0, &rebuilt.bytes)?;
    file.sync_data()?;
    disk.rename(&path, &rebuilt.segment.path(folder))?;
    disk.sync_folder(folder)
}
