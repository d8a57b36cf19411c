//! Looks at the files of a log without changing anything: every byte is read, and what is damaged is told with its place
//! and what it belonged to, as far as that can be known. [`repair`] takes the damage out.
//!
//! No one may write the log meanwhile: whoever calls this holds the data directory.

mod file;
mod rebuild;
mod repair;
#[cfg(test)]
mod tests;

pub use repair::{RepairError, Repaired, repair};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::DestinationId;

use crate::disk::{Disk, PatientDisk, ReadOnlyDisk};
use crate::log::{Committer, LogFiles, LogRecovery, OpenError};
use crate::spool::{LOG_KIND as SPOOL_KIND, Spool, SpoolOptions};
use crate::stream::LOG_KIND as STREAM_KIND;

/// What kind of log a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    Spool,
    Stream,
}

impl LogKind {
    fn number(self) -> u32 {
        match self {
            Self::Spool => SPOOL_KIND,
            Self::Stream => STREAM_KIND,
        }
    }

    /// Whether a record of this kind is a message.
    fn is_message(self, kind: u8) -> bool {
        match self {
            Self::Spool => kind == crate::spool::KIND_MESSAGE,
            Self::Stream => crate::stream::publication_at(kind).is_some(),
        }
    }
}

/// What the files of a log hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    pub folder: PathBuf,
    pub kind: LogKind,
    /// In the order of their numbers.
    pub files: Vec<FileReport>,
    /// The end of the log that was synced once and is in no file: how many records.
    pub missing_end_records: u64,
    /// Messages that should wait for a session or queue and are in no file, as far as that can be known.
    pub lost_messages: u64,
}

/// What one file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    pub name: String,
    pub bytes: u64,
    /// It is complete and has an index at its end.
    pub is_sealed: bool,
    /// Whole records, and how many of them are messages.
    pub records: u64,
    pub messages: u64,
    /// The number of the first record, and the one after the last.
    pub first: Option<u64>,
    pub next: u64,
    /// Numbers between the file before this one and this one that no file has: they were given to nobody, or their file was
    /// removed, or is lost.
    pub gap_before: u64,
    /// Bytes at the end that were being written when the process or the power ended: nobody was promised them.
    pub unfinished_bytes: u64,
    pub damage: Vec<DamagedRange>,
}

/// A place that was safe once and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRange {
    pub at: u64,
    pub bytes: u64,
    /// Records that are missing, as far as that can be known.
    pub records: u64,
    pub what: &'static str,
    /// Messages that wait and lay there, by the index of the file: whose, the first ordinal and the one after the last.
    pub lost: Vec<(DestinationId, u64, u64)>,
}

impl LogReport {
    /// Places that are damaged, in all files.
    pub fn damaged_places(&self) -> usize {
        self.files.iter().map(|file| file.damage.len()).sum::<usize>() + usize::from(self.missing_end_records > 0)
    }

    /// Everything that was safe once can be read.
    pub fn is_whole(&self) -> bool {
        self.damaged_places() == 0
    }
}

/// Reads everything that a log has.
pub fn examine(disk: &Arc<dyn Disk>, folder: &Path, kind: LogKind) -> Result<LogReport, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(ReadOnlyDisk::new(PatientDisk::around(Arc::clone(disk))));
    let mut found = LogRecovery::default();
    let mut files = LogFiles::load(&*disk, folder, kind.number(), &mut found)?;
    files.set_merged_aside();
    let spool = match kind {
        LogKind::Spool => Some(open_spool(&disk, folder)?),
        LogKind::Stream => None,
    };
    let mut reports: Vec<FileReport> = Vec::new();
    for (index, file) in files.files.iter().enumerate() {
        let after = files.files.get(index + 1).map(|next| next.segment.base);
        let mut report = file::examine(file, kind, (after, files.promised), spool.as_ref().map(|(spool, _)| spool))
            .map_err(|error| OpenError::disk(folder, error))?;
        if let Some(before) = reports.last() {
            report.gap_before = file.segment.base.saturating_sub(before.next);
        }
        reports.push(report);
    }
    let next = reports.last().map_or(0, |last| last.next);
    // What one that was being filled has lost at its end is told with it.
    let missing_end_records = match reports.last() {
        Some(last) if !last.is_sealed => 0,
        _ => files.promised.saturating_sub(next),
    };
    Ok(LogReport {
        folder: folder.to_owned(),
        kind,
        missing_end_records,
        lost_messages: spool.map_or(0, |(_, lost)| lost),
        files: reports,
    })
}

/// The state of a spool as the next start would find it. Nothing is written.
fn open_spool(disk: &Arc<dyn Disk>, folder: &Path) -> Result<(Spool, u64), OpenError> {
    let committer = Committer::stepped();
    let (spool, recovery) = Spool::open(Arc::clone(disk), folder, SpoolOptions::default(), &committer)?;
    Ok((spool, recovery.lost_messages))
}
