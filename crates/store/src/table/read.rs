//! Reading from the last commit: errors, and the place where a damaged file's panics end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::StorageError;

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
