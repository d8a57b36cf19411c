//! What a session, queue or stream says of itself beside its messages, so that it can be made again when the tables are lost:
//! as the label of its destination in the spool, and in a file in the folder of a stream.
//!
//! With version and check (see `record.rs`) under the key `label`: kind (1 byte); its name as text; then of 1, a session, its
//! expiry (span), of 2, a queue, and 3, a stream, its record as the tables have it (bytes; none if it would be too long).

use std::time::Duration;

use message::{ClientId, QueueName, StreamName, limits};

use super::queues::StoredQueue;
use super::record::{RecordError, RecordReader, RecordWriter};
use super::streams::StoredStream;

/// What is known of a destination beside the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    Session { client_id: ClientId, expiry: Option<Duration> },
    Queue { name: QueueName, stored: Option<StoredQueue> },
    Stream { name: StreamName, stored: Option<StoredStream> },
}

const KEY: &[u8] = b"label";
const SESSION: u8 = 1;
const QUEUE: u8 = 2;
const STREAM: u8 = 3;

impl Label {
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        match self {
            Self::Session { client_id, expiry } => {
                writer.u8(SESSION);
                writer.text(client_id.as_str());
                writer.span(*expiry);
            }
            Self::Queue { name, stored } => {
                writer.u8(QUEUE);
                writer.text(name.as_str());
                let record = stored.as_ref().map(|stored| stored.encode(name.as_str().as_bytes()));
                // Half of it: the name and what is around have room as well.
                let record = record.filter(|record| record.len() <= limits::SPOOL_LABEL_BYTES_MAX / 2);
                writer.bytes(&record.unwrap_or_default());
            }
            Self::Stream { name, stored } => {
                writer.u8(STREAM);
                writer.text(name.as_str());
                let record = stored.as_ref().map(|stored| stored.encode(name.as_str().as_bytes()));
                writer.bytes(&record.unwrap_or_default());
            }
        }
        writer.finish(KEY)
    }

    /// `None` when it is damaged, or of a later version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok()
    }

    fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(KEY, bytes)?;
        let kind = reader.u8()?;
        let text = reader.text()?;
        let label = match kind {
            SESSION => {
                let client_id = ClientId::parse(text).map_err(|_| RecordError::Content("a client id that is none"))?;
                Self::Session { client_id, expiry: reader.span()? }
            }
            QUEUE => {
                let name = QueueName::parse_any(text).map_err(|_| RecordError::Content("a queue name that is none"))?;
                let record = Some(reader.bytes()?).filter(|record| !record.is_empty());
                let stored = record.map(|record| StoredQueue::decode(text.as_bytes(), record)).transpose()?;
                Self::Queue { name, stored }
            }
            STREAM => {
                let name = StreamName::parse(text).map_err(|_| RecordError::Content("a stream name that is none"))?;
                let record = Some(reader.bytes()?).filter(|record| !record.is_empty());
                let stored = record.map(|record| StoredStream::decode(text.as_bytes(), record)).transpose()?;
                Self::Stream { name, stored }
            }
            _ => return Err(RecordError::Content("a kind of destination that this program does not know")),
        };
        reader.end()?;
        Ok(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::frozen::{queue, session, stream};

    fn labels() -> [Label; 4] {
        let client_id = ClientId::parse("plc-1").unwrap();
        let (orders, tele) = (QueueName::parse("orders").unwrap(), StreamName::parse("tele").unwrap());
        [
            Label::Session { client_id, expiry: session().expiry },
            Label::Queue { name: orders.clone(), stored: Some(queue()) },
            Label::Queue { name: orders, stored: None },
            Label::Stream { name: tele, stored: Some(stream()) },
        ]
    }

    #[test]
    fn a_label_is_read_as_it_was_written_and_a_damaged_one_not_at_all() {
        for label in labels() {
            let mut bytes = label.encode();
            assert_eq!(Label::decode(&bytes), Some(label));
            for at in 0..bytes.len() {
                bytes[at] ^= 1;
                assert_eq!(Label::decode(&bytes), None);
                bytes[at] ^= 1;
            }
        }
    }

    #[test]
    fn labels_are_written_as_version_1_wrote_them() {
        let [session, ..] = labels();
        let frozen: String = session.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(frozen, "010105706c632d3181c0ddeec1025fefc029");
    }

    #[test]
    fn a_queue_with_too_many_bindings_has_its_name_alone() {
        let mut stored = queue();
        let filter = stored.options.bindings[0].clone();
        stored.options.bindings = vec![filter; limits::SPOOL_LABEL_BYTES_MAX];
        let name = QueueName::parse("orders").unwrap();
        let bytes = Label::Queue { name: name.clone(), stored: Some(stored) }.encode();
        assert_eq!(Label::decode(&bytes), Some(Label::Queue { name, stored: None }));
    }
}
