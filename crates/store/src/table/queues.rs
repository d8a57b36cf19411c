//! Queues: which there are and how each is set. Their messages are elsewhere, at their destinations.
//!
//! Record, with version and check (see `record.rs`): destination (LEB128), time of making (8 bytes), topic filters,
//! limits, policy and durability (see `settings.rs`), acknowledgement timeout (span), most deliveries (LEB128), options
//! (1 byte: bit 0 priority, 1 delay), name of the dead letter queue (text; empty for none).

use std::sync::Arc;
use std::time::Duration;

use message::{DestinationId, QueueName, Timestamp, TopicFilter};

use super::committer::Committer;
use super::read::{ALL, ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::settings::{read_filters, read_limits, write_filters, write_limits};
use super::written::Written;
use crate::{DestinationLimits, Durability, FullPolicy};

/// Queues, by name.
#[derive(Debug, Clone)]
pub struct QueueTable {
    pub(super) committer: Arc<Committer>,
}

/// A queue without its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQueue {
    pub destination: DestinationId,
    pub created: Timestamp,
    pub options: QueueOptions,
}

/// How a queue is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOptions {
    /// Messages to topics that one of these matches go into the queue.
    pub bindings: Vec<TopicFilter>,
    pub limits: DestinationLimits,
    pub policy: FullPolicy,
    pub durability: Durability,
    /// A consumer that has not acknowledged a message by then loses it to another.
    pub ack_timeout: Duration,
    /// Deliveries of one message; after the last one it goes to the dead letter queue, or is dropped.
    pub deliveries_max: u32,
    pub dead_letter: Option<QueueName>,
    /// Messages say how urgent they are.
    pub has_priority: bool,
    /// Messages say how long they wait before they are delivered.
    pub has_delay: bool,
}

const PRIORITY: u8 = 1;
const DELAY: u8 = 1 << 1;

impl QueueTable {
    pub fn get(&self, name: &QueueName) -> Result<Option<StoredQueue>, ReadError> {
        let key = name.as_str().as_bytes();
        let at = || format!("queue `{name}`");
        self.committer.shared.get(at, |snapshot| &snapshot.queues, key, |record| StoredQueue::decode(key, record))
    }

    /// Makes a queue or changes it.
    pub fn put(&self, name: &QueueName, queue: &StoredQueue) -> Written<()> {
        let key = name.as_str().to_owned();
        let record = queue.encode(key.as_bytes());
        self.committer.shared.write(key.len() + record.len(), move |transaction| {
            transaction.queues.insert(key.as_bytes(), &*record)?;
            Ok(())
        })
    }

    /// Removes a queue and marks its messages for deletion, in one step. Says whether it was there.
    pub fn remove(&self, name: &QueueName) -> Written<bool> {
        let key = name.as_str().to_owned();
        self.committer.shared.write(key.len(), move |transaction| {
            let key = key.as_bytes();
            let removed = transaction.queues.remove(key)?;
            let Some(removed) = removed.map(|record| StoredQueue::decode(key, record.value())) else {
                return Ok(false);
            };
            // Of one that is damaged nobody knows where its messages are: they are reported at the next start.
            if let Ok(queue) = removed {
                transaction.mark_removed(queue.destination)?;
            }
            Ok(true)
        })
    }

    /// Hands every queue to `take`, in the order of the names.
    pub fn each(&self, mut take: impl FnMut(QueueName, StoredQueue)) -> Result<Scan, ReadError> {
        self.committer.shared.scan(
            "the queues",
            |snapshot| &snapshot.queues,
            ALL,
            |key, record| {
                let name = std::str::from_utf8(key).ok().and_then(|name| QueueName::parse_any(name).ok());
                let name = name.ok_or(RecordError::Content("a key that is no queue name"))?;
                take(name, StoredQueue::decode(key, record)?);
                Ok(())
            },
        )
    }
}

impl StoredQueue {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let options = &self.options;
        let mut writer = RecordWriter::new();
        writer.varint(self.destination.get());
        writer.i64(self.created.as_micros());
        write_filters(&mut writer, &options.bindings);
        write_limits(&mut writer, &options.limits);
        writer.u8(options.policy.number());
        writer.u8(options.durability.number());
        writer.span(Some(options.ack_timeout));
        writer.varint(u64::from(options.deliveries_max));
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        writer.u8(flag(options.has_priority, PRIORITY) | flag(options.has_delay, DELAY));
        writer.text(options.dead_letter.as_ref().map_or("", QueueName::as_str));
        writer.finish(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let destination = DestinationId::new(reader.varint()?);
        let created = Timestamp::from_micros(reader.i64()?);
        let bindings = read_filters(&mut reader)?;
        let limits = read_limits(&mut reader)?;
        let policy = FullPolicy::from_number(reader.u8()?)?;
        let durability = Durability::from_number(reader.u8()?)?;
        let ack_timeout = reader.span()?.ok_or(RecordError::Content("a queue without acknowledgement timeout"))?;
        let deliveries_max = u32::try_from(reader.varint()?);
        let deliveries_max = deliveries_max.map_err(|_| RecordError::Content("more deliveries than 32 bits hold"))?;
        let flags = reader.u8()?;
        let dead_letter = Some(reader.text()?).filter(|name| !name.is_empty()).map(QueueName::parse_any).transpose();
        let dead_letter = dead_letter.map_err(|_| RecordError::Content("a dead letter queue without a name"))?;
        reader.end()?;
        let (has_priority, has_delay) = (flags & PRIORITY != 0, flags & DELAY != 0);
        let options = QueueOptions {
            bindings,
            limits,
            policy,
            durability,
            ack_timeout,
            deliveries_max,
            dead_letter,
            has_priority,
            has_delay,
        };
        Ok(Self { destination, created, options })
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{any_durability, any_filters, any_limits, any_policy, any_span};
    use super::*;
    use proptest::prelude::*;

    fn any_queue() -> impl Strategy<Value = StoredQueue> {
        let dead_letter = prop::option::of("[a-z]{1,8}".prop_map(|name| QueueName::parse(&name).unwrap()));
        let rules = (any_policy(), any_durability(), any_span(), any::<u32>(), dead_letter, any::<(bool, bool)>());
        (any::<u64>(), any::<i64>(), any_filters(), any_limits(), rules).prop_map(
            |(destination, created, bindings, limits, rules)| {
                let (policy, durability, ack_timeout, deliveries_max, dead_letter, (has_priority, has_delay)) = rules;
                let options = QueueOptions {
                    bindings,
                    limits,
                    policy,
                    durability,
                    ack_timeout,
                    deliveries_max,
                    dead_letter,
                    has_priority,
                    has_delay,
                };
                let destination = DestinationId::new(destination);
                StoredQueue { destination, created: Timestamp::from_micros(created), options }
            },
        )
    }

    proptest! {
        #[test]
        fn a_queue_is_read_as_it_was_written(queue in any_queue()) {
            prop_assert_eq!(StoredQueue::decode(b"k", &queue.encode(b"k")), Ok(queue));
        }
    }
}
