//! Subscriptions of durable sessions. They go with their session.
//!
//! Record, with version and check (see `record.rs`): options (1 byte: bits 0 and 1 quality of service, 2 no local,
//! 3 retain as published, 4 and 5 retain handling as MQTT 5.0 numbers it), identifier (LEB128; 0 for none).

use std::num::NonZeroU32;
use std::sync::Arc;

use message::{ClientId, QoS, TopicFilter};

use super::committer::Committer;
use super::read::{ALL, ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{nested_end, nested_key, split_nested};
use super::sessions::read_client;
use super::settings::read_filter;
use super::written::Written;

/// Subscriptions of durable sessions, by client id and topic filter.
#[derive(Debug, Clone)]
pub struct SubscriptionTable {
    pub(super) committer: Arc<Committer>,
}

/// How a session wants what its filter matches (MQTT 5.0 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredSubscription {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: StoredRetainHandling,
    pub identifier: Option<NonZeroU32>,
}

/// Whether subscribing brings the retained messages that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoredRetainHandling {
    #[default]
    Always = 0,
    IfNew = 1,
    Never = 2,
}

const QOS: u8 = 0b11;
const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
const RETAIN_HANDLING_SHIFT: u8 = 4;

impl SubscriptionTable {
    /// Adds the subscriptions of one request, all in one step; one with the same filter is replaced.
    pub fn put(&self, client: &ClientId, subscriptions: &[(TopicFilter, StoredSubscription)]) -> Written<()> {
        let key = |filter: &TopicFilter| nested_key(client.as_str(), filter.as_str().as_bytes());
        let records: Vec<_> = subscriptions
            .iter()
            .map(|(filter, subscription)| (key(filter), subscription))
            .map(|(key, subscription)| (subscription.encode(&key), key))
            .collect();
        let bytes = records.iter().map(|(record, key)| record.len() + key.len()).sum();
        self.committer.shared.write(bytes, move |transaction| {
            for (record, key) in records {
                transaction.subscriptions.insert(&*key, &*record)?;
            }
            Ok(())
        })
    }

    /// Removes the subscriptions of one request, all in one step. Says how many were there.
    pub fn remove(&self, client: &ClientId, filters: &[TopicFilter]) -> Written<usize> {
        let key = |filter: &TopicFilter| nested_key(client.as_str(), filter.as_str().as_bytes());
        let keys: Vec<_> = filters.iter().map(key).collect();
        self.committer.shared.write(keys.iter().map(Vec::len).sum(), move |transaction| {
            let mut removed = 0;
            for key in keys {
                removed += usize::from(transaction.subscriptions.remove(&*key)?.is_some());
            }
            Ok(removed)
        })
    }

    /// Hands the subscriptions of one client to `take`, in the order of the filters.
    pub fn each_of(
        &self,
        client: &ClientId,
        mut take: impl FnMut(TopicFilter, StoredSubscription),
    ) -> Result<Scan, ReadError> {
        let (first, end) = (nested_key(client.as_str(), b""), nested_end(client.as_str()));
        self.committer.shared.scan(
            &format!("the subscriptions of client `{client}`"),
            |snapshot| &snapshot.subscriptions,
            (&first, Some(&end)),
            |key, record| {
                take(split(key)?.1, StoredSubscription::decode(key, record)?);
                Ok(())
            },
        )
    }

    /// Hands all subscriptions to `take`, in the order of the client ids.
    pub fn each(&self, mut take: impl FnMut(ClientId, TopicFilter, StoredSubscription)) -> Result<Scan, ReadError> {
        self.committer.shared.scan(
            "the subscriptions",
            |snapshot| &snapshot.subscriptions,
            ALL,
            |key, record| {
                let (client, filter) = split(key)?;
                take(read_client(client.as_bytes())?, filter, StoredSubscription::decode(key, record)?);
                Ok(())
            },
        )
    }
}

fn split(key: &[u8]) -> Result<(&str, TopicFilter), RecordError> {
    let (client, filter) = split_nested(key).ok_or(RecordError::Content("a key without a client id"))?;
    let filter = std::str::from_utf8(filter).map_err(|_| RecordError::Content("a text that is not UTF-8"))?;
    Ok((client, read_filter(filter)?))
}

impl StoredSubscription {
    pub(super) fn encode(self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        writer.u8(u8::from(self.qos)
            | flag(self.no_local, NO_LOCAL)
            | flag(self.retain_as_published, RETAIN_AS_PUBLISHED)
            | (self.retain_handling as u8) << RETAIN_HANDLING_SHIFT);
        writer.varint(self.identifier.map_or(0, |identifier| u64::from(identifier.get())));
        writer.finish(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let options = reader.u8()?;
        let identifier = u32::try_from(reader.varint()?);
        let identifier = identifier.map_err(|_| RecordError::Content("a subscription identifier beyond 32 bits"))?;
        reader.end()?;
        let retain_handling = match options >> RETAIN_HANDLING_SHIFT {
            0 => StoredRetainHandling::Always,
            1 => StoredRetainHandling::IfNew,
            2 => StoredRetainHandling::Never,
            _ => return Err(RecordError::Content("options that are none")),
        };
        Ok(Self {
            qos: QoS::try_from(options & QOS).map_err(|_| RecordError::Content("a quality of service that is none"))?,
            no_local: options & NO_LOCAL != 0,
            retain_as_published: options & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
            identifier: NonZeroU32::new(identifier),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscription_is_read_as_it_was_written() {
        let handlings = [StoredRetainHandling::Always, StoredRetainHandling::IfNew, StoredRetainHandling::Never];
        for identifier in [0, 1, 127, 128, u32::MAX] {
            for bits in 0..36_u8 {
                let subscription = StoredSubscription {
                    qos: QoS::try_from(bits % 3).unwrap(),
                    no_local: bits / 3 % 2 == 1,
                    retain_as_published: bits / 6 % 2 == 1,
                    retain_handling: handlings[usize::from(bits / 12)],
                    identifier: NonZeroU32::new(identifier),
                };
                assert_eq!(StoredSubscription::decode(b"k", &subscription.encode(b"k")), Ok(subscription));
            }
        }
    }
}
