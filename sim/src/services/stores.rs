//! Key/value stores in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flow::services::{ServiceError, Store, Stored, Stores};
use message::{Now, StoreName, Timestamp, Value};

/// The stores of one simulated node; persistent ones are as good as their memory.
#[derive(Debug, Default)]
pub struct MemoryStores(Mutex<BTreeMap<StoreName, Arc<MemoryStore>>>);

#[derive(Debug, Default)]
struct MemoryStore(Mutex<BTreeMap<String, (Value, Option<Timestamp>)>>);

impl MemoryStore {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, (Value, Option<Timestamp>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stores for MemoryStores {
    fn open(&self, store: &StoreName, _persistent: bool) -> Result<Arc<dyn Store>, ServiceError> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(stores.entry(store.clone()).or_default()) as _)
    }
}

impl Store for MemoryStore {
    fn get(&self, now: Now, key: &str) -> Result<Option<Value>, ServiceError> {
        let entries = self.entries();
        let live = entries.get(key).filter(|(_, expires)| expires.is_none_or(|expires| now.wall < expires));
        Ok(live.map(|(value, _)| value.clone()))
    }

    fn set(&self, now: Now, key: &str, value: Value, ttl: Option<Duration>) -> Stored {
        let expires = ttl.map(|ttl| now.wall.saturating_add(ttl));
        Stored::Now(Ok(self.entries().insert(key.to_owned(), (value, expires)).is_some()))
    }

    fn delete(&self, _: Now, key: &str) -> Stored {
        Stored::Now(Ok(self.entries().remove(key).is_some()))
    }
}
