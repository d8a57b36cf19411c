//! Persistent key/value stores. A store is made by its first write; expired keys are not seen, and go with a sweep.
//!
//! Record of a key: version, expiry (8 bytes, microseconds since the epoch; the largest number for never), the value
//! (see `value.rs`), check. Record of a store: version, time of its making (8 bytes), keys in it (LEB128), check.

use std::ops::Bound;
use std::sync::Arc;

use message::{StoreName, Timestamp, Value, limits};

use super::committer::{ApplyError, Committer};
use super::read::{ReadError, ReadFault};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::{Transaction, expiry_key, nested_end, nested_key, split_nested};
use super::value::{read_value, write_value};
use super::written::{WriteError, Written};

/// Persistent key/value stores, by name.
#[derive(Debug, Clone)]
pub struct KeyValueTable {
    pub(super) committer: Arc<Committer>,
}

/// What is known of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSummary {
    pub name: StoreName,
    pub created: Timestamp,
    /// Keys on disk, with those that have expired since the last sweep.
    pub keys: u64,
}

/// Some of the keys of a store, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    pub keys: Vec<String>,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreRecord {
    created: Timestamp,
    keys: u64,
}

const NEVER: i64 = i64::MAX;

impl KeyValueTable {
    /// The value of a key; `None` when it is missing or has expired by `now`.
    pub fn get(&self, store: &StoreName, key: &str, now: Timestamp) -> Result<Option<Value>, ReadError> {
        let full = nested_key(store.as_str(), key.as_bytes());
        self.committer.shared.read(
            || format!("key `{key}` of store `{store}`"),
            |snapshot| {
                let Some(record) = snapshot.keys.get(&*full)? else { return Ok(None) };
                let mut reader = RecordReader::open(&full, record.value())?;
                if reader.i64()? <= now.as_micros() {
                    return Ok(None);
                }
                let value = read_value(&mut reader)?;
                reader.end()?;
                Ok(Some(value))
            },
        )
    }

    /// Sets a key, until `expiry` if there is one. The result says whether the key was there before.
    pub fn set(
        &self,
        store: &StoreName,
        key: &str,
        value: &Value,
        expiry: Option<Timestamp>,
        now: Timestamp,
    ) -> Written<bool> {
        if let Err(error) = check_key(key) {
            return Written::refused(error);
        }
        let full = nested_key(store.as_str(), key.as_bytes());
        let record = match encode(&full, value, expiry) {
            Ok(record) => record,
            Err(error) => return Written::refused(WriteError::Refused(format!("key `{key}`: {error}"))),
        };
        let store = store.clone();
        self.committer.shared.write(full.len() + record.len(), move |transaction| {
            transaction.touch(&store, Some(now))?;
            let (new, live) = {
                let old = transaction.keys.insert(&*full, &*record)?;
                let old_expiry = old.map(|old| expiry_of(old.value()));
                transaction.forget_expiry(old_expiry, &full)?;
                (old_expiry.is_none(), is_live(old_expiry, now))
            };
            if let Some(expiry) = expiry {
                transaction.expiries.insert(&*expiry_key(expiry, &full), ())?;
            }
            if new && let Some(summary) = transaction.touched.get_mut(&store) {
                summary.keys = summary.keys.saturating_add(1);
            }
            Ok(live)
        })
    }

    /// Removes a key. The result says whether it was there.
    pub fn delete(&self, store: &StoreName, key: &str, now: Timestamp) -> Written<bool> {
        let full = nested_key(store.as_str(), key.as_bytes());
        let store = store.clone();
        self.committer.shared.write(full.len(), move |transaction| {
            let old_expiry = transaction.remove_key(&store, &full)?;
            Ok(is_live(old_expiry, now))
        })
    }

    /// Removes a store with all its keys. The result says whether it was there.
    pub fn drop_store(&self, store: &StoreName) -> Written<bool> {
        let store = store.clone();
        self.committer.shared.write(store.as_str().len(), move |transaction| {
            let (first, end) = (nested_key(store.as_str(), b""), nested_end(store.as_str()));
            let mut expiries = Vec::new();
            transaction.keys.retain_in(&*first..&*end, |key, record| {
                let expiry = expiry_of(record);
                if expiry != NEVER {
                    expiries.push(expiry_key(Timestamp::from_micros(expiry), key));
                }
                false
            })?;
            for entry in expiries {
                transaction.expiries.remove(&*entry)?;
            }
            transaction.touched.remove(&store);
            let removed = transaction.stores.remove(store.as_str().as_bytes())?;
            Ok(removed.is_some())
        })
    }

    /// Removes up to [`limits::STORE_SWEEP_KEYS_MAX`] keys that have expired by `now`, and says how many.
    pub fn sweep(&self, now: Timestamp) -> Written<usize> {
        self.committer.shared.write(0, move |transaction| {
            let end = expiry_key(now.saturating_add(std::time::Duration::from_micros(1)), b"");
            let due: Vec<Vec<u8>> = redb::ReadableTable::range(&transaction.expiries, ..&*end)?
                .take(limits::STORE_SWEEP_KEYS_MAX)
                .map(|entry| entry.map(|(key, _)| key.value().to_vec()))
                .collect::<Result<_, _>>()?;
            for entry in &due {
                transaction.expiries.remove(&**entry)?;
                let full = entry.get(size_of::<i64>()..).unwrap_or_default();
                let store = split_nested(full).and_then(|(store, _)| StoreName::parse(store).ok());
                if let Some(store) = store {
                    transaction.remove_key(&store, full)?;
                }
            }
            Ok(due.len())
        })
    }

    /// All stores, in the order of their names.
    pub fn stores(&self) -> Result<Vec<StoreSummary>, ReadError> {
        self.committer.shared.read(
            || "the list of stores".to_owned(),
            |snapshot| {
                let mut stores = Vec::new();
                for entry in snapshot.stores.range::<&[u8]>(..)? {
                    let (name, record) = entry?;
                    let StoreRecord { created, keys } = StoreRecord::read(name.value(), record.value())?;
                    let name = std::str::from_utf8(name.value()).ok().and_then(|name| StoreName::parse(name).ok());
                    let name = name.ok_or(RecordError::Content("a name that is no store name"))?;
                    stores.push(StoreSummary { name, created, keys });
                }
                Ok(stores)
            },
        )
    }

    /// Keys that begin with `prefix`, from `from` on, up to `max` of them; expired ones are left out.
    pub fn keys(
        &self,
        store: &StoreName,
        prefix: &str,
        from: Option<&str>,
        max: usize,
        now: Timestamp,
    ) -> Result<KeyPage, ReadError> {
        let first = nested_key(store.as_str(), prefix.max(from.unwrap_or_default()).as_bytes());
        let end = nested_end(store.as_str());
        self.committer.shared.read(
            || format!("the keys of store `{store}`"),
            |snapshot| {
                let mut page = KeyPage::default();
                let bounds = (Bound::Included(&*first), Bound::Excluded(&*end));
                for entry in snapshot.keys.range::<&[u8]>(bounds)? {
                    let (full, record) = entry?;
                    let key = key_text(full.value())?;
                    if !key.starts_with(prefix) {
                        break;
                    }
                    if RecordReader::open(full.value(), record.value())?.i64()? <= now.as_micros() {
                        continue;
                    }
                    if page.keys.len() >= max {
                        page.next = Some(key.to_owned());
                        break;
                    }
                    page.keys.push(key.to_owned());
                }
                Ok::<_, ReadFault>(page)
            },
        )
    }
}

fn key_text(full: &[u8]) -> Result<&str, RecordError> {
    let key = split_nested(full).and_then(|(_, key)| std::str::from_utf8(key).ok());
    key.ok_or(RecordError::Content("a key that is not UTF-8"))
}

fn check_key(key: &str) -> Result<(), WriteError> {
    if key.len() > limits::STORE_KEY_BYTES_MAX {
        let what = format!("the key has {} bytes: at most {} are allowed", key.len(), limits::STORE_KEY_BYTES_MAX);
        return Err(WriteError::Refused(what));
    }
    Ok(())
}

fn encode(full: &[u8], value: &Value, expiry: Option<Timestamp>) -> Result<Vec<u8>, super::value::TooDeep> {
    let mut writer = RecordWriter::new();
    writer.i64(expiry.map_or(NEVER, Timestamp::as_micros));
    write_value(&mut writer, value)?;
    Ok(writer.finish(full))
}

/// When a record expires, without checking it: a damaged one may be overwritten and deleted like any other.
fn expiry_of(record: &[u8]) -> i64 {
    record.get(1..).and_then(|rest| rest.first_chunk()).map_or(NEVER, |bytes| i64::from_le_bytes(*bytes))
}

fn is_live(expiry: Option<i64>, now: Timestamp) -> bool {
    expiry.is_some_and(|expiry| expiry > now.as_micros())
}

impl StoreRecord {
    fn read(name: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = RecordReader::open(name, record)?;
        let created = Timestamp::from_micros(reader.i64()?);
        let keys = reader.varint()?;
        reader.end()?;
        Ok(Self { created, keys })
    }

    fn write(self, name: &[u8]) -> Vec<u8> {
        let mut writer = RecordWriter::new();
        writer.i64(self.created.as_micros());
        writer.varint(self.keys);
        writer.finish(name)
    }
}

impl Transaction<'_> {
    /// Loads a store's record, to be changed by this group; makes the store if `create` says when. A damaged record is
    /// begun anew: it only counts.
    fn touch(&mut self, store: &StoreName, create: Option<Timestamp>) -> Result<(), ApplyError> {
        if self.touched.contains_key(store) {
            return Ok(());
        }
        let name = store.as_str().as_bytes();
        let found =
            redb::ReadableTable::get(&self.stores, name)?.map(|record| StoreRecord::read(name, record.value()).ok());
        let record = match (found, create) {
            (Some(Some(record)), _) => record,
            (Some(None), created) => StoreRecord { created: created.unwrap_or_default(), keys: 0 },
            (None, None) => return Ok(()),
            (None, Some(created)) => {
                if redb::ReadableTableMetadata::len(&self.stores)? >= limits::STORES_MAX as u64 {
                    let what = format!(
                        "store `{store}` cannot be made: {} stores are the limit; remove one that is not needed",
                        limits::STORES_MAX
                    );
                    return Err(ApplyError::Refused(what));
                }
                let record = StoreRecord { created, keys: 0 };
                self.stores.insert(name, &*record.write(name))?;
                record
            }
        };
        self.touched.insert(store.clone(), record);
        Ok(())
    }

    /// Writes the records of the stores that this group has changed.
    pub(super) fn flush_stores(&mut self) -> Result<(), redb::Error> {
        for (store, record) in std::mem::take(&mut self.touched) {
            let name = store.as_str().as_bytes();
            self.stores.insert(name, &*record.write(name))?;
        }
        Ok(())
    }

    /// Removes a key with its expiry and gives the latter; `None` when it was not there.
    fn remove_key(&mut self, store: &StoreName, full: &[u8]) -> Result<Option<i64>, ApplyError> {
        let old = self.keys.remove(full)?.map(|old| expiry_of(old.value()));
        self.forget_expiry(old, full)?;
        if old.is_some() {
            self.touch(store, None)?;
            if let Some(record) = self.touched.get_mut(store) {
                record.keys = record.keys.saturating_sub(1);
            }
        }
        Ok(old)
    }

    fn forget_expiry(&mut self, expiry: Option<i64>, full: &[u8]) -> Result<(), redb::StorageError> {
        if let Some(expiry) = expiry.filter(|expiry| *expiry != NEVER) {
            self.expiries.remove(&*expiry_key(Timestamp::from_micros(expiry), full))?;
        }
        Ok(())
    }
}
