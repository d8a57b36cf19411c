//! Sessions, queues and streams that were removed and whose messages may still lie in the logs. Only what is marked here is
//! deleted there: that the tables do not know something says nothing, as they may be older than the logs, or new.
//!
//! A mark is made in the step that removes the entry, and goes when the messages are gone. An old copy of the tables has
//! marks of what was removed before it was made: as no number is given twice, they are right for ever.
//!
//! Key: destination (8 bytes, big endian). Record: version and check, nothing between (see `record.rs`).

use std::sync::Arc;

use message::DestinationId;

use super::committer::{ApplyError, Committer};
use super::read::{ALL, ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::Transaction;
use super::written::Written;

/// Marks of what was removed.
#[derive(Debug, Clone)]
pub struct RemovalTable {
    pub(super) committer: Arc<Committer>,
}

impl RemovalTable {
    /// All that are marked, in the order of their numbers.
    pub fn all(&self) -> Result<(Vec<DestinationId>, Scan), ReadError> {
        let mut marked = Vec::new();
        let scan = self.committer.shared.scan(
            "the marks of what was removed",
            |snapshot| &snapshot.removals,
            ALL,
            |key, record| {
                RecordReader::open(key, record)?.end()?;
                let number = key.try_into().map_err(|_| RecordError::Content("a key that is no number"))?;
                marked.push(DestinationId::new(u64::from_be_bytes(number)));
                Ok(())
            },
        )?;
        Ok((marked, scan))
    }

    /// Marks what the tables do not know, so that it is deleted.
    pub fn mark(&self, destination: DestinationId) -> Written<()> {
        self.committer.shared.write(KEY_BYTES, move |transaction| Ok(transaction.mark_removed(destination)?))
    }

    /// Forgets marks whose messages are gone for good.
    pub fn forget(&self, destinations: Vec<DestinationId>) -> Written<()> {
        self.committer.shared.write(destinations.len().saturating_mul(KEY_BYTES), move |transaction| {
            for destination in destinations {
                transaction.removals.remove(&key(destination)[..])?;
            }
            Ok::<(), ApplyError>(())
        })
    }
}

const KEY_BYTES: usize = 8;

fn key(destination: DestinationId) -> [u8; KEY_BYTES] {
    destination.get().to_be_bytes()
}

impl Transaction<'_> {
    pub(super) fn mark_removed(&mut self, destination: DestinationId) -> Result<(), redb::StorageError> {
        let key = key(destination);
        self.removals.insert(&key[..], &*RecordWriter::new().finish(&key))?;
        Ok(())
    }
}
