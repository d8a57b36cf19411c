//! Reading from the last commit: errors, and the place where a damaged file's panics end.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{ReadOnlyTable, StorageError};

use super::committer::Shared;
use super::record::RecordError;
use super::schema::Snapshot;

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// What is read is not what was written.
    #[error("`{file}` is damaged at {at}: {what}; restore the file from a backup, or delete or write this entry anew")]
    Damaged { file: String, at: String, what: String },
    #[error("cannot read `{file}`: {what}; check the disk")]
    Failed { file: String, what: String },
    #[error("`{file}` is closed: the node is stopping")]
    Closed { file: String },
}

impl Shared {
    /// Reads from the last commit. `at` names what is read, for errors.
    pub(super) fn read<T>(
        &self,
        at: impl Fn() -> String,
        read: impl FnOnce(&Snapshot) -> Result<T, ReadFault>,
    ) -> Result<T, ReadError> {
        let snapshot: Arc<Snapshot> = self.snapshot.load_full();
        let damaged = |what: String| ReadError::Damaged { file: self.file.clone(), at: at(), what };
        // The library trusts the structure of its pages and panics where they are rotten.
        match catch_unwind(AssertUnwindSafe(|| read(&snapshot))) {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(ReadFault::Record(error))) => Err(damaged(error.to_string())),
            Ok(Err(ReadFault::Storage(error))) => Err(match *error {
                StorageError::Corrupted(what) => damaged(what),
                StorageError::DatabaseClosed => ReadError::Closed { file: self.file.clone() },
                other => ReadError::Failed { file: self.file.clone(), what: other.to_string() },
            }),
            Err(_) => Err(damaged("its pages are rotten".to_owned())),
        }
    }
}

/// What reading many records came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "damaged records are lost, and a person should know"]
pub struct Scan {
    /// Records that were read.
    pub records: u64,
    /// Records that are damaged and were passed over.
    pub damaged: u64,
}

/// A table whose keys and records are bytes, as one commit left it.
pub(super) type ReadTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Shared {
    /// Hands the records from `first` up to `end`, or to the last one, to `take`, one after another: memory does not
    /// grow with their number. A record that `take` cannot read is passed over. `at` names what is read, for errors.
    pub(super) fn scan(
        &self,
        at: &str,
        table: impl FnOnce(&Snapshot) -> &ReadTable,
        (first, end): (&[u8], Option<&[u8]>),
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), RecordError>,
    ) -> Result<Scan, ReadError> {
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        self.read(
            || at.to_owned(),
            |snapshot| {
                let mut scan = Scan::default();
                for entry in table(snapshot).range::<&[u8]>((Bound::Included(first), end))? {
                    let (key, record) = entry?;
                    match take(key.value(), record.value()) {
                        Ok(()) => scan.records += 1,
                        Err(_) => scan.damaged += 1,
                    }
                }
                Ok(scan)
            },
        )
    }

    /// Reads one record of a table; `None` when there is none under `key`.
    pub(super) fn get<T>(
        &self,
        at: impl Fn() -> String,
        table: impl FnOnce(&Snapshot) -> &ReadTable,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, RecordError>,
    ) -> Result<Option<T>, ReadError> {
        self.read(at, |snapshot| match table(snapshot).get(key)? {
            Some(record) => Ok(Some(decode(record.value())?)),
            None => Ok(None),
        })
    }
}

/// All records of a table.
pub(super) const ALL: (&[u8], Option<&[u8]>) = (b"", None);

/// What goes wrong while reading, before it is told with the file and the place.
#[derive(Debug)]
pub(super) enum ReadFault {
    Record(RecordError),
    Storage(Box<StorageError>),
}

impl From<RecordError> for ReadFault {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<StorageError> for ReadFault {
    fn from(error: StorageError) -> Self {
        Self::Storage(Box::new(error))
    }
}
