//! The tables of the file and how their keys are built, opened for reading ([`Snapshot`]) and for writing
//! ([`Transaction`]). What the records hold stands with each table.
//!
//! | table | key | record |
//! |---|---|---|
//! | `meta` | name | see `meta.rs` |
//! | `keys` | store name, NUL, key | see `key_value.rs` |
//! | `expiries` | microseconds since the epoch (8 bytes, big endian, sign bit flipped), then the key in `keys` | nothing |
//! | `stores` | store name | see `key_value.rs` |
//! | `sessions` | client id | see `sessions.rs` |
//! | `subscriptions` | client id, NUL, topic filter | see `subscriptions.rs` |
//! | `retained` | topic | see `retained/` |
//! | `queues` | queue name | see `queues.rs` |
//! | `streams` | stream name | see `streams.rs` |
//! | `consumers` | stream name, NUL, consumer name | see `consumers.rs` |
//! | `removals` | destination (8 bytes, big endian) | see `removals.rs` |
//! | `flow_drafts` | flow id | see `flows.rs` |
//! | `flow_versions` | flow id, NUL, version (8 bytes, big endian) | see `flows.rs` |
//! | `flow_marks` | flow id | see `flows.rs` |

use std::collections::BTreeMap;
use std::fmt;

use message::{StoreName, Timestamp};
use redb::{ReadOnlyTable, ReadTransaction, Table, TableDefinition, WriteTransaction};

use super::key_value::StoreRecord;

/// Counts changes to this file's layout that older programs cannot read; stands in `meta` under [`FORMAT_KEY`].
pub(super) const FORMAT: u64 = 1;
pub(super) const FORMAT_KEY: &str = "format";

type Bytes = &'static [u8];

pub(super) const META: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("meta");
const KEYS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("keys");
const EXPIRIES: TableDefinition<'_, Bytes, ()> = TableDefinition::new("expiries");
const STORES: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("stores");
const SESSIONS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("sessions");
const SUBSCRIPTIONS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("subscriptions");
const RETAINED: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("retained");
const QUEUES: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("queues");
const STREAMS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("streams");
const CONSUMERS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("consumers");
const REMOVALS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("removals");
const FLOW_DRAFTS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("flow_drafts");
const FLOW_VERSIONS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("flow_versions");
const FLOW_MARKS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("flow_marks");

/// All tables as one commit left them. It is replaced by each commit, so that it never keeps many old pages alive.
pub(super) struct Snapshot {
    pub(super) meta: ReadOnlyTable<Bytes, Bytes>,
    pub(super) keys: ReadOnlyTable<Bytes, Bytes>,
    pub(super) stores: ReadOnlyTable<Bytes, Bytes>,
    pub(super) sessions: ReadOnlyTable<Bytes, Bytes>,
    pub(super) subscriptions: ReadOnlyTable<Bytes, Bytes>,
    pub(super) retained: ReadOnlyTable<Bytes, Bytes>,
    pub(super) queues: ReadOnlyTable<Bytes, Bytes>,
    pub(super) streams: ReadOnlyTable<Bytes, Bytes>,
    pub(super) consumers: ReadOnlyTable<Bytes, Bytes>,
    pub(super) removals: ReadOnlyTable<Bytes, Bytes>,
    pub(super) flow_drafts: ReadOnlyTable<Bytes, Bytes>,
    pub(super) flow_versions: ReadOnlyTable<Bytes, Bytes>,
    pub(super) flow_marks: ReadOnlyTable<Bytes, Bytes>,
}

impl Snapshot {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            keys: transaction.open_table(KEYS)?,
            stores: transaction.open_table(STORES)?,
            sessions: transaction.open_table(SESSIONS)?,
            subscriptions: transaction.open_table(SUBSCRIPTIONS)?,
            retained: transaction.open_table(RETAINED)?,
            queues: transaction.open_table(QUEUES)?,
            streams: transaction.open_table(STREAMS)?,
            consumers: transaction.open_table(CONSUMERS)?,
            removals: transaction.open_table(REMOVALS)?,
            flow_drafts: transaction.open_table(FLOW_DRAFTS)?,
            flow_versions: transaction.open_table(FLOW_VERSIONS)?,
            flow_marks: transaction.open_table(FLOW_MARKS)?,
        })
    }
}

impl Snapshot {
    /// All of them whose records have a check, by their names.
    pub(super) fn all(&self) -> [(&'static str, &ReadOnlyTable<Bytes, Bytes>); 13] {
        [
            ("meta", &self.meta),
            ("keys", &self.keys),
            ("stores", &self.stores),
            ("sessions", &self.sessions),
            ("subscriptions", &self.subscriptions),
            ("retained", &self.retained),
            ("queues", &self.queues),
            ("streams", &self.streams),
            ("consumers", &self.consumers),
            ("removals", &self.removals),
            ("flow_drafts", &self.flow_drafts),
            ("flow_versions", &self.flow_versions),
            ("flow_marks", &self.flow_marks),
        ]
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

/// All tables while a group of writes is applied. Making it makes the tables that are missing.
pub(super) struct Transaction<'t> {
    pub(super) meta: Table<'t, Bytes, Bytes>,
    pub(super) keys: Table<'t, Bytes, Bytes>,
    pub(super) expiries: Table<'t, Bytes, ()>,
    pub(super) stores: Table<'t, Bytes, Bytes>,
    pub(super) sessions: Table<'t, Bytes, Bytes>,
    pub(super) subscriptions: Table<'t, Bytes, Bytes>,
    pub(super) retained: Table<'t, Bytes, Bytes>,
    pub(super) queues: Table<'t, Bytes, Bytes>,
    pub(super) streams: Table<'t, Bytes, Bytes>,
    pub(super) consumers: Table<'t, Bytes, Bytes>,
    pub(super) removals: Table<'t, Bytes, Bytes>,
    pub(super) flow_drafts: Table<'t, Bytes, Bytes>,
    pub(super) flow_versions: Table<'t, Bytes, Bytes>,
    pub(super) flow_marks: Table<'t, Bytes, Bytes>,
    /// Stores whose record this group changes: written once, at the end of the group.
    pub(super) touched: BTreeMap<StoreName, StoreRecord>,
}

impl<'t> Transaction<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            keys: transaction.open_table(KEYS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            stores: transaction.open_table(STORES)?,
            sessions: transaction.open_table(SESSIONS)?,
            subscriptions: transaction.open_table(SUBSCRIPTIONS)?,
            retained: transaction.open_table(RETAINED)?,
            queues: transaction.open_table(QUEUES)?,
            streams: transaction.open_table(STREAMS)?,
            consumers: transaction.open_table(CONSUMERS)?,
            removals: transaction.open_table(REMOVALS)?,
            flow_drafts: transaction.open_table(FLOW_DRAFTS)?,
            flow_versions: transaction.open_table(FLOW_VERSIONS)?,
            flow_marks: transaction.open_table(FLOW_MARKS)?,
            touched: BTreeMap::new(),
        })
    }
}

/// The key of `name` below `owner`; owners never hold a NUL.
pub(super) fn nested_key(owner: &str, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(owner.len() + 1 + name.len());
    key.extend_from_slice(owner.as_bytes());
    key.push(0);
    key.extend_from_slice(name);
    key
}

/// The first key behind all keys below `owner`.
pub(super) fn nested_end(owner: &str) -> Vec<u8> {
    let mut key = owner.as_bytes().to_vec();
    key.push(1);
    key
}

/// Parts a key that [`nested_key`] made.
pub(super) fn split_nested(key: &[u8]) -> Option<(&str, &[u8])> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (owner, name) = key.split_at(end);
    Some((std::str::from_utf8(owner).ok()?, name.get(1..)?))
}

/// A key of `expiries`: sorted by time.
pub(super) fn expiry_key(expiry: Timestamp, key: &[u8]) -> Vec<u8> {
    let sortable = expiry.as_micros().cast_unsigned() ^ (1 << 63);
    let mut entry = sortable.to_be_bytes().to_vec();
    entry.extend_from_slice(key);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_below_an_owner_stand_together_and_apart_from_others() {
        let inside = [nested_key("ab", b""), nested_key("ab", b"\x00"), nested_key("ab", "ü\u{10ffff}".as_bytes())];
        let outside = [nested_key("a", b"b"), nested_key("aba", b""), nested_key("ab-c", b"x"), nested_key("b", b"")];
        for key in &inside {
            assert!((nested_key("ab", b"")..nested_end("ab")).contains(key));
        }
        for key in &outside {
            assert!(!(nested_key("ab", b"")..nested_end("ab")).contains(key));
        }
        assert_eq!(split_nested(&nested_key("ab", b"c\x00d")), Some(("ab", &b"c\x00d"[..])));
    }

    #[test]
    fn expiries_are_sorted_by_time() {
        let times = [i64::MIN, -1, 0, 1, 1_700_000_000_000_000];
        let keys: Vec<_> = times.iter().map(|at| expiry_key(Timestamp::from_micros(*at), b"x")).collect();
        assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
