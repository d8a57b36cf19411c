//! One key/value store in memory: private to its flow, outlives the flow's versions, gone when the node ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use flow::services::{ServiceError, Store, Stored};
use message::{Moment, Now, StoreName, Text, Value, limits};
use parking_lot::Mutex;
use store::table::KeyPage;

/// Expired keys that one write takes along: more than one, so that they go faster than they come.
const EXPIRED_PER_WRITE: usize = 2;
/// What a key costs beside its text and its value: its place in the tree.
const ENTRY_BYTES: usize = 64;

/// One store in memory.
#[derive(Debug)]
pub(super) struct MemoryStore {
    name: StoreName,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: BTreeMap<Text, Entry>,
    /// Keys that expire, the first to go first.
    by_expiry: BTreeSet<(Moment, Text)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    expiry: Option<Moment>,
    bytes: usize,
}

impl Entry {
    fn is_live(&self, now: Moment) -> bool {
        self.expiry.is_none_or(|expiry| expiry > now)
    }
}

impl MemoryStore {
    pub(super) fn new(name: StoreName) -> Self {
        Self { name, entries: Mutex::default() }
    }

    /// Keys in the store, with those that have expired and are not removed yet.
    pub(super) fn len(&self) -> usize {
        self.entries.lock().by_key.len()
    }

    /// Keys that begin with `prefix`, from `from` on, up to `max` of them.
    pub(super) fn keys(&self, prefix: &str, from: Option<&str>, max: usize, now: Moment) -> KeyPage {
        let first = prefix.max(from.unwrap_or_default());
        let entries = self.entries.lock();
        let mut live = entries
            .by_key
            .range::<str, _>((Bound::Included(first), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| entry.is_live(now))
            .map(|(key, _)| key.to_string());
        let keys = live.by_ref().take(max).collect();
        KeyPage { keys, next: live.next() }
    }

    /// Removes every key that has expired.
    pub(super) fn sweep(&self, now: Moment) {
        self.entries.lock().remove_expired(now, usize::MAX);
    }

    fn write(&self, now: Moment, key: &str, value: Value, ttl: Option<Duration>) -> Result<bool, ServiceError> {
        let bytes = key.len() + value.weight_bytes() + ENTRY_BYTES;
        let mut entries = self.entries.lock();
        entries.remove_expired(now, EXPIRED_PER_WRITE);
        let old_bytes = entries.by_key.get(key).map(|old| old.bytes);
        let too_many = old_bytes.is_none() && entries.by_key.len() >= limits::STORE_MEMORY_KEYS_MAX;
        let heavy = entries.bytes - old_bytes.unwrap_or(0) + bytes > limits::STORE_MEMORY_BYTES_MAX;
        if too_many || heavy {
            let (keys, mib) = (limits::STORE_MEMORY_KEYS_MAX, limits::STORE_MEMORY_BYTES_MAX >> 20);
            return Err(ServiceError(format!(
                "store `{}` is full: {keys} keys or {mib} MiB are the limit in memory; \
                 delete keys, give them a `ttl`, or set `persistent = true`",
                self.name
            )));
        }
        let old = entries.take(key);
        let expiry = ttl.map(|ttl| now + ttl);
        let key = Text::new(key);
        if let Some(expiry) = expiry {
            entries.by_expiry.insert((expiry, key.clone()));
        }
        entries.bytes += bytes;
        entries.by_key.insert(key, Entry { value, expiry, bytes });
        Ok(old.is_some_and(|old| old.is_live(now)))
    }
}

impl Entries {
    fn take(&mut self, key: &str) -> Option<Entry> {
        let (key, entry) = self.by_key.remove_entry(key)?;
        self.bytes -= entry.bytes;
        if let Some(expiry) = entry.expiry {
            self.by_expiry.remove(&(expiry, key));
        }
        Some(entry)
    }

    fn remove_expired(&mut self, now: Moment, most: usize) {
        for _ in 0..most {
            match self.by_expiry.first() {
                Some((expiry, key)) if *expiry <= now => {
                    let key = key.clone();
                    self.take(&key);
                }
                _ => return,
            }
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, now: Now, key: &str) -> Result<Option<Value>, ServiceError> {
        let entries = self.entries.lock();
        let entry = entries.by_key.get(key).filter(|entry| entry.is_live(now.moment));
        Ok(entry.map(|entry| entry.value.clone()))
    }

    fn set(&self, now: Now, key: &str, value: Value, ttl: Option<Duration>) -> Stored {
        Stored::Now(super::check_value(&self.name, key, &value).and_then(|()| self.write(now.moment, key, value, ttl)))
    }

    fn delete(&self, now: Now, key: &str) -> Stored {
        let old = self.entries.lock().take(key);
        Stored::Now(Ok(old.is_some_and(|old| old.is_live(now.moment))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Timestamp;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Now {
        Now { moment: Moment::since_start(Duration::from_secs(seconds)), wall: Timestamp::default() }
    }

    fn memory() -> MemoryStore {
        MemoryStore::new(StoreName::parse("s").unwrap())
    }

    fn done(stored: Stored) -> Result<bool, ServiceError> {
        match stored {
            Stored::Now(result) => result,
            Stored::Later(_) => panic!("memory answers at once"),
        }
    }

    #[test]
    fn a_store_that_is_full_of_bytes_takes_no_more_until_something_goes() {
        let store = memory();
        let big = || Value::from("x".repeat(limits::STORE_VALUE_BYTES_MAX - 1024));
        let fit = limits::STORE_MEMORY_BYTES_MAX / limits::STORE_VALUE_BYTES_MAX;
        for key in 0..fit {
            done(store.set(at(0), &format!("k{key}"), big(), None)).unwrap();
        }
        let error = done(store.set(at(0), "more", big(), None)).unwrap_err().to_string();
        assert!(error.contains("store `s` is full") && error.contains("persistent"), "{error}");
        assert_eq!(done(store.set(at(0), "k0", big(), None)), Ok(true), "an overwrite needs no more room");
        done(store.delete(at(0), "k1")).unwrap();
        assert_eq!(done(store.set(at(0), "more", big(), None)), Ok(false));
    }

    #[test]
    fn a_value_that_is_too_large_is_refused_with_its_key() {
        let value = Value::from("x".repeat(limits::STORE_VALUE_BYTES_MAX + 1));
        let error = done(memory().set(at(0), "k", value, None)).unwrap_err().to_string();
        assert!(error.contains("key `k` of store `s`"), "{error}");
    }

    #[test]
    fn expired_keys_go_with_later_writes() {
        let store = memory();
        for key in ["a", "b", "c"] {
            done(store.set(at(0), key, Value::Null, Some(Duration::from_secs(1)))).unwrap();
        }
        done(store.set(at(2), "d", Value::Null, None)).unwrap();
        assert_eq!(store.len(), 2);
        store.sweep(at(2).moment);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn keys_are_listed_page_by_page_by_prefix() {
        let store = memory();
        for key in ["a", "b/1", "b/2", "b/3", "c"] {
            done(store.set(at(0), key, Value::Null, None)).unwrap();
        }
        done(store.set(at(0), "b/0", Value::Null, Some(Duration::from_secs(1)))).unwrap();
        let page = store.keys("b/", None, 2, at(5).moment);
        assert_eq!((page.keys.join(" "), page.next.as_deref()), ("b/1 b/2".to_owned(), Some("b/3")));
        let page = store.keys("b/", page.next.as_deref(), 2, at(5).moment);
        assert_eq!((page.keys.join(" "), page.next), ("b/3".to_owned(), None));
    }

    proptest! {
        #[test]
        fn a_store_does_what_a_map_does(
            steps in prop::collection::vec((0_u8..3, 0_u8..8, any::<i64>(), prop::option::of(1_u64..20)), 0..100)
        ) {
            let store = memory();
            let mut model: BTreeMap<String, (i64, u64)> = BTreeMap::new();
            for (now, (step, key, value, ttl)) in (0_u64..).zip(steps) {
                let key = format!("k{key}");
                let live = model.get(&key).filter(|(_, expiry)| *expiry > now).map(|(value, _)| Value::Int(*value));
                match step {
                    0 => prop_assert_eq!(store.get(at(now), &key), Ok(live)),
                    1 => {
                        let was = done(store.set(at(now), &key, Value::Int(value), ttl.map(Duration::from_secs)));
                        prop_assert_eq!(was, Ok(live.is_some()));
                        model.insert(key, (value, ttl.map_or(u64::MAX, |ttl| now + ttl)));
                    }
                    _ => {
                        prop_assert_eq!(done(store.delete(at(now), &key)), Ok(live.is_some()));
                        model.remove(&key);
                    }
                }
            }
            let entries = store.entries.lock();
            prop_assert_eq!(entries.bytes, entries.by_key.values().map(|entry| entry.bytes).sum::<usize>());
            let expiring = entries.by_key.values().filter(|entry| entry.expiry.is_some()).count();
            prop_assert_eq!(entries.by_expiry.len(), expiring);
        }
    }
}
