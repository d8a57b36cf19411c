//! Streams: which there are and how each is set. Their messages are elsewhere, in a log of their own.
//!
//! Record, with version and check (see `record.rs`): destination (LEB128), time of making (8 bytes), topic filters,
//! retention as limits, durability (see `settings.rs` for all three).

use std::sync::Arc;

use message::{DestinationId, StreamName, Timestamp, TopicFilter};

use super::committer::Committer;
use super::read::{ALL, ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{nested_end, nested_key};
use super::settings::{read_filters, read_limits, write_filters, write_limits};
use super::written::Written;
use crate::{DestinationLimits, Durability};

/// Streams, by name.
#[derive(Debug, Clone)]
pub struct StreamTable {
    pub(super) committer: Arc<Committer>,
}

/// A stream without its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStream {
    /// Names the folder of its log: a stream that is made anew under an old name begins empty.
    pub destination: DestinationId,
    pub created: Timestamp,
    pub options: StreamOptions,
}

/// How a stream is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// Messages to topics that one of these matches are appended.
    pub bindings: Vec<TopicFilter>,
    /// Beyond these the oldest messages go.
    pub retention: DestinationLimits,
    pub durability: Durability,
}

impl StreamTable {
    pub fn get(&self, name: &StreamName) -> Result<Option<StoredStream>, ReadError> {
        let key = name.as_str().as_bytes();
        let at = || format!("stream `{name}`");
        self.committer.shared.get(at, |snapshot| &snapshot.streams, key, |record| StoredStream::decode(key, record))
    }

    /// Makes a stream or changes it.
    pub fn put(&self, name: &StreamName, stream: &StoredStream) -> Written<()> {
        let key = name.as_str().to_owned();
        let record = stream.encode(key.as_bytes());
        self.committer.shared.write(key.len() + record.len(), move |transaction| {
            transaction.streams.insert(key.as_bytes(), &*record)?;
            Ok(())
        })
    }

    /// Removes a stream with what its consumers have read, and marks its messages for deletion, in one step. Says whether
    /// it was there.
    pub fn remove(&self, name: &StreamName) -> Written<bool> {
        let name = name.as_str().to_owned();
        self.committer.shared.write(name.len(), move |transaction| {
            let (first, end) = (nested_key(&name, b""), nested_end(&name));
            transaction.consumers.retain_in(&*first..&*end, |_, _| false)?;
            let key = name.as_bytes();
            let removed = transaction.streams.remove(key)?;
            let Some(removed) = removed.map(|record| StoredStream::decode(key, record.value())) else {
                return Ok(false);
            };
            // Of one that is damaged nobody knows where its messages are: they are reported at the next start.
            if let Ok(stream) = removed {
                transaction.mark_removed(stream.destination)?;
            }
            Ok(true)
        })
    }

    /// Hands every stream to `take`, in the order of the names.
    pub fn each(&self, mut take: impl FnMut(StreamName, StoredStream)) -> Result<Scan, ReadError> {
        self.committer.shared.scan(
            "the streams",
            |snapshot| &snapshot.streams,
            ALL,
            |key, record| {
                take(read_stream(key)?, StoredStream::decode(key, record)?);
                Ok(())
            },
        )
    }
}

fn read_stream(key: &[u8]) -> Result<StreamName, RecordError> {
    let name = std::str::from_utf8(key).ok().and_then(|name| StreamName::parse(name).ok());
    name.ok_or(RecordError::Content("a key that is no stream name"))
}

impl StoredStream {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.varint(self.destination.get());
        writer.i64(self.created.as_micros());
        write_filters(&mut writer, &self.options.bindings);
        write_limits(&mut writer, &self.options.retention);
        writer.u8(self.options.durability.number());
        writer.finish(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let destination = DestinationId::new(reader.varint()?);
        let created = Timestamp::from_micros(reader.i64()?);
        let bindings = read_filters(&mut reader)?;
        let retention = read_limits(&mut reader)?;
        let durability = Durability::from_number(reader.u8()?)?;
        reader.end()?;
        Ok(Self { destination, created, options: StreamOptions { bindings, retention, durability } })
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{any_durability, any_filters, any_limits};
    use super::*;
    use proptest::prelude::*;

    fn any_stream() -> impl Strategy<Value = StoredStream> {
        (any::<u64>(), any::<i64>(), any_filters(), any_limits(), any_durability()).prop_map(
            |(destination, created, bindings, retention, durability)| StoredStream {
                destination: DestinationId::new(destination),
                created: Timestamp::from_micros(created),
                options: StreamOptions { bindings, retention, durability },
            },
        )
    }

    proptest! {
        #[test]
        fn a_stream_is_read_as_it_was_written(stream in any_stream()) {
            prop_assert_eq!(StoredStream::decode(b"k", &stream.encode(b"k")), Ok(stream));
        }
    }
}
