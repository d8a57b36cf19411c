//! How far the named consumers of a stream have read. They go with their stream.
//!
//! Record, with version and check (see `record.rs`): the offset of the first message that is not acknowledged
//! (LEB128), time of the change (8 bytes).

use std::sync::Arc;

use message::{ConsumerName, StreamName, Timestamp};

use super::committer::Committer;
use super::read::{ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{nested_end, nested_key, split_nested};
use super::written::Written;

/// Consumers, by stream and name.
#[derive(Debug, Clone)]
pub struct ConsumerTable {
    pub(super) committer: Arc<Committer>,
}

/// How far a consumer has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredConsumer {
    /// The first message that it has not acknowledged.
    pub offset: u64,
    pub updated: Timestamp,
}

impl ConsumerTable {
    pub fn get(&self, stream: &StreamName, consumer: &ConsumerName) -> Result<Option<StoredConsumer>, ReadError> {
        let key = key(stream, consumer);
        let at = || format!("consumer `{consumer}` of stream `{stream}`");
        self.committer.shared.get(
            at,
            |snapshot| &snapshot.consumers,
            &key,
            |record| StoredConsumer::decode(&key, record),
        )
    }

    /// Makes a consumer or moves it.
    pub fn put(&self, stream: &StreamName, consumer: &ConsumerName, reached: StoredConsumer) -> Written<()> {
        let key = key(stream, consumer);
        let record = reached.encode(&key);
        self.committer.shared.write(key.len() + record.len(), move |transaction| {
            transaction.consumers.insert(&*key, &*record)?;
            Ok(())
        })
    }

    /// Says whether the consumer was there.
    pub fn remove(&self, stream: &StreamName, consumer: &ConsumerName) -> Written<bool> {
        let key = key(stream, consumer);
        self.committer.shared.write(key.len(), move |transaction| Ok(transaction.consumers.remove(&*key)?.is_some()))
    }

    /// Hands the consumers of a stream to `take`, in the order of their names.
    pub fn each_of(
        &self,
        stream: &StreamName,
        mut take: impl FnMut(ConsumerName, StoredConsumer),
    ) -> Result<Scan, ReadError> {
        let (first, end) = (nested_key(stream.as_str(), b""), nested_end(stream.as_str()));
        self.committer.shared.scan(
            &format!("the consumers of stream `{stream}`"),
            |snapshot| &snapshot.consumers,
            (&first, Some(&end)),
            |key, record| {
                let name = split_nested(key).and_then(|(_, name)| std::str::from_utf8(name).ok());
                let name = name.and_then(|name| ConsumerName::parse(name).ok());
                let name = name.ok_or(RecordError::Content("a key that is no consumer name"))?;
                take(name, StoredConsumer::decode(key, record)?);
                Ok(())
            },
        )
    }
}

fn key(stream: &StreamName, consumer: &ConsumerName) -> Vec<u8> {
    nested_key(stream.as_str(), consumer.as_str().as_bytes())
}

impl StoredConsumer {
    pub(super) fn encode(self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.varint(self.offset);
        writer.i64(self.updated.as_micros());
        writer.finish(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let offset = reader.varint()?;
        let updated = Timestamp::from_micros(reader.i64()?);
        reader.end()?;
        Ok(Self { offset, updated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_consumer_is_read_as_it_was_written(offset: u64, updated: i64) {
            let consumer = StoredConsumer { offset, updated: Timestamp::from_micros(updated) };
            prop_assert_eq!(StoredConsumer::decode(b"k", &consumer.encode(b"k")), Ok(consumer));
        }
    }
}
