//! Sessions of MQTT clients that outlive their connections: what is to be known of one while its client is away, and
//! after a restart. Its messages are elsewhere, at its destination.
//!
//! Record, with version and check (see `record.rs`): destination (LEB128), time of making (8 bytes), since when the
//! client is absent (8 bytes; the largest number while it is there), expiry after that (span, see `record.rs`; none for
//! never), durability (1 byte: 0 memory, 1 operating system, 2 disk), will (1 byte: 0 none, 1 one; then its delay as
//! span, its topic, and the rest as `publication.rs` says).

use std::sync::Arc;
use std::time::Duration;

use message::{ClientId, DestinationId, Publication, Timestamp};

use super::committer::{ApplyError, Committer};
use super::publication::{read_publication, read_topic, write_publication};
use super::read::{ALL, ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{Transaction, nested_end, nested_key};
use super::written::Written;
use crate::Durability;

/// Durable sessions, by client id.
#[derive(Debug, Clone)]
pub struct SessionTable {
    pub(super) committer: Arc<Committer>,
}

/// A durable session without its messages and subscriptions.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    pub destination: DestinationId,
    pub created: Timestamp,
    /// When its client left; `None` while it is there, and after a crash as long as it has not come back.
    pub absent_since: Option<Timestamp>,
    /// How long the session is kept from then on; `None` for ever.
    pub expiry: Option<Duration>,
    pub durability: Durability,
    pub will: Option<StoredWill>,
}

/// What a session says when its client is lost.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredWill {
    pub publication: Publication,
    /// How long the client may be away before.
    pub delay: Duration,
}

const PRESENT: i64 = i64::MAX;

impl SessionTable {
    pub fn get(&self, client: &ClientId) -> Result<Option<StoredSession>, ReadError> {
        let key = client.as_str().as_bytes();
        let at = || format!("the session of client `{client}`");
        self.committer.shared.get(at, |snapshot| &snapshot.sessions, key, |record| StoredSession::decode(key, record))
    }

    /// Keeps a session in place of what was known of it. Its subscriptions stay.
    pub fn put(&self, client: &ClientId, session: &StoredSession) -> Written<()> {
        let key = client.as_str().to_owned();
        let record = session.encode(key.as_bytes());
        self.committer.shared.write(key.len() + record.len(), move |transaction| {
            transaction.sessions.insert(key.as_bytes(), &*record)?;
            Ok(())
        })
    }

    /// Notes that the client has left, how long its session is kept from then on, and whether its will still waits to
    /// be sent. Says whether the session was there.
    pub fn left(
        &self,
        client: &ClientId,
        absent_since: Timestamp,
        expiry: Option<Duration>,
        will_waits: bool,
    ) -> Written<bool> {
        self.change(client, move |session| {
            session.absent_since = Some(absent_since);
            session.expiry = expiry;
            session.will.take_if(|_| !will_waits);
        })
    }

    /// Forgets a session's will, which was sent. Says whether the session was there.
    pub fn forget_will(&self, client: &ClientId) -> Written<bool> {
        self.change(client, |session| session.will = None)
    }

    /// Removes a session with its subscriptions, and marks its messages for deletion, in one step. Says whether it was there.
    pub fn remove(&self, client: &ClientId) -> Written<bool> {
        let client = client.as_str().to_owned();
        self.committer.shared.write(client.len(), move |transaction| {
            let (first, end) = (nested_key(&client, b""), nested_end(&client));
            transaction.subscriptions.retain_in(&*first..&*end, |_, _| false)?;
            let key = client.as_bytes();
            let removed = transaction.sessions.remove(key)?;
            let Some(removed) = removed.map(|record| StoredSession::decode(key, record.value())) else {
                return Ok(false);
            };
            // Of one that is damaged nobody knows where its messages are: they are reported at the next start.
            if let Ok(session) = removed {
                transaction.mark_removed(session.destination)?;
            }
            Ok(true)
        })
    }

    /// Hands every session to `take`, in the order of the client ids.
    pub fn each(&self, mut take: impl FnMut(ClientId, StoredSession)) -> Result<Scan, ReadError> {
        self.committer.shared.scan(
            "the sessions",
            |snapshot| &snapshot.sessions,
            ALL,
            |key, record| {
                take(read_client(key)?, StoredSession::decode(key, record)?);
                Ok(())
            },
        )
    }

    fn change(&self, client: &ClientId, change: impl FnOnce(&mut StoredSession) + Send + 'static) -> Written<bool> {
        let client = client.as_str().to_owned();
        self.committer.shared.write(client.len(), move |transaction| {
            let Some(mut session) = transaction.session(&client)? else { return Ok(false) };
            change(&mut session);
            let key = client.as_bytes();
            transaction.sessions.insert(key, &*session.encode(key))?;
            Ok(true)
        })
    }
}

impl Transaction<'_> {
    fn session(&self, client: &str) -> Result<Option<StoredSession>, ApplyError> {
        let Some(record) = redb::ReadableTable::get(&self.sessions, client.as_bytes())? else { return Ok(None) };
        let session = StoredSession::decode(client.as_bytes(), record.value());
        let refused = |error| ApplyError::Refused(format!("the session of client `{client}` is damaged: {error}"));
        session.map(Some).map_err(refused)
    }
}

pub(super) fn read_client(key: &[u8]) -> Result<ClientId, RecordError> {
    let client = std::str::from_utf8(key).ok().and_then(|text| ClientId::parse(text).ok());
    client.ok_or(RecordError::Content("a key that is no client id"))
}

impl StoredSession {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.varint(self.destination.get());
        writer.i64(self.created.as_micros());
        writer.i64(self.absent_since.map_or(PRESENT, Timestamp::as_micros));
        writer.span(self.expiry);
        writer.u8(self.durability.number());
        writer.u8(u8::from(self.will.is_some()));
        if let Some(will) = &self.will {
            writer.span(Some(will.delay));
            writer.text(will.publication.topic.as_str());
            write_publication(&mut writer, &will.publication);
        }
        writer.finish(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(key, record)?;
        let destination = DestinationId::new(reader.varint()?);
        let created = Timestamp::from_micros(reader.i64()?);
        let absent_since = Some(reader.i64()?).filter(|micros| *micros != PRESENT).map(Timestamp::from_micros);
        let expiry = reader.span()?;
        let durability = Durability::from_number(reader.u8()?)?;
        let will = if reader.flag()? { Some(StoredWill::read(&mut reader)?) } else { None };
        reader.end()?;
        Ok(Self { destination, created, absent_since, expiry, durability, will })
    }
}

impl StoredWill {
    fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let delay = reader.span()?.ok_or(RecordError::Content("a will without a delay"))?;
        let topic = read_topic(reader)?;
        Ok(Self { publication: read_publication(reader, topic)?, delay })
    }
}

#[cfg(test)]
mod tests {
    use super::super::publication::tests::any_publication;
    use super::super::settings::tests::{any_durability, any_span};
    use super::*;
    use proptest::prelude::*;

    fn any_session() -> impl Strategy<Value = StoredSession> {
        let will = (any_publication(), any_span()).prop_map(|(publication, delay)| StoredWill { publication, delay });
        let times = (any::<i64>(), prop::option::of(any::<i64>()));
        (any::<u64>(), times, prop::option::of(any_span()), any_durability(), prop::option::of(will)).prop_map(
            |(destination, (created, absent), expiry, durability, will)| StoredSession {
                destination: DestinationId::new(destination),
                created: Timestamp::from_micros(created),
                absent_since: absent.map(Timestamp::from_micros),
                expiry,
                durability,
                will,
            },
        )
    }

    proptest! {
        #[test]
        fn a_session_is_read_as_it_was_written(session in any_session()) {
            prop_assert_eq!(StoredSession::decode(b"k", &session.encode(b"k")), Ok(session));
        }
    }
}
