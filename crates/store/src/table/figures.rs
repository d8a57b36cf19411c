//! What the table file counts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Tables;
use super::written::WriteError;

/// The figures of the table file at one moment; they only grow but for those that say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableFigures {
    /// Groups of writes that are on disk.
    pub commits: u64,
    /// Writes in those. All changes of retained messages in one group are one write.
    pub writes: u64,
    /// Bytes of records in those, without the pages around them.
    pub bytes: u64,
    /// Groups that failed, as the disk was full or broke.
    pub failures: u64,
    /// Writes that wait now.
    pub writes_waiting: u64,
    /// Bytes that they hold.
    pub bytes_waiting: u64,
    /// Changes of retained messages that wait now.
    pub retained_waiting: u64,
    /// Files that were found damaged beyond repair and set aside when this one was opened: one or none.
    pub set_aside: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    writes: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Counters {
    /// Counts a group that was committed or failed.
    pub(super) fn count(&self, result: &Result<(), WriteError>, writes: usize, bytes: usize) {
        if result.is_ok() {
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.writes.fetch_add(writes as u64, Ordering::Relaxed);
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Tables {
    /// What the table file counts.
    pub fn figures(&self) -> TableFigures {
        let shared = &self.committer.shared;
        let counters = &shared.counters;
        let (writes_waiting, bytes_waiting) = shared.waiting();
        TableFigures {
            commits: counters.commits.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            writes_waiting: writes_waiting as u64,
            bytes_waiting: bytes_waiting as u64,
            retained_waiting: self.retained.waiting() as u64,
            set_aside: u64::from(self.has_begun_anew),
        }
    }
}
