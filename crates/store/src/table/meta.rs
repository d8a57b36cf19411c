//! Small facts that the node keeps about itself: a name and a few bytes. The bytes mean something to their owner only.
//!
//! Record: version, the bytes, check (see `record.rs`).

use std::sync::Arc;

use message::limits;

use super::committer::{ApplyError, Committer};
use super::read::ReadError;
use super::record::{RecordReader, RecordWriter};
use super::written::{WriteError, Written};

/// Small facts by name.
#[derive(Debug, Clone)]
pub struct MetaTable {
    pub(super) committer: Arc<Committer>,
}

impl MetaTable {
    /// What was last put under `name`.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.committer.shared.read(
            || format!("`{name}` of the node's own facts"),
            |snapshot| {
                let Some(record) = snapshot.meta.get(name.as_bytes())? else { return Ok(None) };
                let mut reader = RecordReader::open(name.as_bytes(), record.value())?;
                let bytes = reader.bytes()?.to_vec();
                reader.end()?;
                Ok(Some(bytes))
            },
        )
    }

    /// Puts up to [`limits::TABLE_META_BYTES_MAX`] under `name`.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Written<()> {
        if bytes.len() > limits::TABLE_META_BYTES_MAX {
            let what = format!("`{name}` has {} bytes: at most {} are kept", bytes.len(), limits::TABLE_META_BYTES_MAX);
            return Written::refused(WriteError::Refused(what));
        }
        let (key, record) = (name.as_bytes().to_vec(), encode(name, bytes));
        self.committer.shared.write(key.len() + record.len(), move |transaction| {
            transaction.meta.insert(&*key, &*record)?;
            Ok::<(), ApplyError>(())
        })
    }
}

/// The record of `bytes` under `name`.
pub(super) fn encode(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = RecordWriter::new();
    writer.bytes(bytes);
    writer.finish(name.as_bytes())
}
