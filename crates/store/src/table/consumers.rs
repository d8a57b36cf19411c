//! How far the named consumers of a stream have read. They go with their stream.
//!
//! Record, with version and check (see `record.rs`): the offset of the first message that is not acknowledged
//! (LEB128), time of the change (8 bytes). If messages behind it are acknowledged, the record has version 2, and what follows
//! is the count of their runs and for each how many messages lie between the run before, or that offset, and it, and how many
//! it has (LEB128).

use std::sync::Arc;

use message::{ConsumerName, StreamName, Timestamp};

use super::committer::Committer;
use super::read::{ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{nested_end, nested_key, split_nested};
use super::written::Written;
use crate::log::Ranges;

/// Of a record with runs.
const WITH_RUNS: u8 = 2;

/// Consumers, by stream and name.
#[derive(Debug, Clone)]
pub struct ConsumerTable {
    pub(super) committer: Arc<Committer>,
}

/// How far a consumer has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConsumer {
    /// The first message that it has not acknowledged.
    pub offset: u64,
    /// Messages behind that one which it has acknowledged; `offset` is not among them.
    pub acknowledged: Ranges,
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
    pub fn put(&self, stream: &StreamName, consumer: &ConsumerName, reached: &StoredConsumer) -> Written<()> {
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
    /// The offset behind the last message that it has acknowledged.
    pub fn end(&self) -> u64 {
        self.acknowledged.end().map_or(self.offset, |end| end.max(self.offset))
    }

    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let has_runs = !self.acknowledged.is_empty();
        let mut writer = if has_runs { RecordWriter::of_version(WITH_RUNS) } else { RecordWriter::new() };
        writer.varint(self.offset);
        writer.i64(self.updated.as_micros());
        if has_runs {
            let runs = self.acknowledged.iter();
            writer.varint(runs.len() as u64);
            let mut before = self.offset;
            for (first, end) in runs {
                writer.varint(first.saturating_sub(before));
                writer.varint(end - first);
                before = end;
            }
        }
        writer.finish(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let (version, mut reader) = RecordReader::open_versioned(key, record)?;
        let offset = reader.varint()?;
        let updated = Timestamp::from_micros(reader.i64()?);
        let acknowledged = if version >= WITH_RUNS { runs(offset, &mut reader)? } else { Ranges::default() };
        reader.end()?;
        Ok(Self { offset, acknowledged, updated })
    }
}

fn runs(offset: u64, reader: &mut RecordReader<'_>) -> Result<Ranges, RecordError> {
    const IMPOSSIBLE: RecordError = RecordError::Content("a run of messages that cannot be");
    let mut runs = Ranges::default();
    let mut before = offset;
    for _ in 0..reader.varint()? {
        let (gap, length) = (reader.varint()?, reader.varint()?);
        let first = before.checked_add(gap).ok_or(IMPOSSIBLE)?;
        let end = first.checked_add(length).ok_or(IMPOSSIBLE)?;
        if gap == 0 || length == 0 {
            return Err(IMPOSSIBLE);
        }
        runs.insert_run(first, end);
        before = end;
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn acknowledged(offset: u64)(gaps in prop::collection::vec((1u64..300, 1u64..300), 0..20)) -> Ranges {
            let mut ranges = Ranges::default();
            let mut before = offset;
            for (gap, length) in gaps {
                let Some(end) = before.checked_add(gap + length) else { break };
                ranges.insert_run(before + gap, end);
                before = end;
            }
            ranges
        }
    }

    proptest! {
        #[test]
        fn a_consumer_is_read_as_it_was_written(
            (offset, acknowledged) in any::<u64>().prop_flat_map(|offset| (Just(offset), acknowledged(offset))),
            updated: i64,
        ) {
            let consumer = StoredConsumer { offset, acknowledged, updated: Timestamp::from_micros(updated) };
            prop_assert_eq!(StoredConsumer::decode(b"k", &consumer.encode(b"k")), Ok(consumer));
        }
    }

    #[test]
    fn runs_that_cannot_be_are_refused() {
        for (count, gap, length) in [(1, 0, 1), (1, 1, 0), (1, u64::MAX, 1), (1, 1, u64::MAX), (u64::MAX, 1, 1)] {
            let mut writer = RecordWriter::of_version(WITH_RUNS);
            writer.varint(7);
            writer.i64(0);
            for number in [count, gap, length] {
                writer.varint(number);
            }
            let record = writer.finish(b"k");
            assert!(StoredConsumer::decode(b"k", &record).is_err(), "{count} {gap} {length}");
        }
    }
}
