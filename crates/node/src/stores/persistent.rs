//! One persistent key/value store as flows see it: reads come from the last commit, a write is done when it is on disk.

use std::time::Duration;

use flow::services::{ServiceError, Store, Stored};
use message::{Now, StoreName, Value};
use store::table::{KeyValueTable, Written};

/// One persistent store.
#[derive(Debug)]
pub(super) struct PersistentStore {
    pub(super) name: StoreName,
    pub(super) table: KeyValueTable,
}

impl Store for PersistentStore {
    fn get(&self, now: Now, key: &str) -> Result<Option<Value>, ServiceError> {
        self.table.get(&self.name, key, now.wall).map_err(|error| ServiceError(error.to_string()))
    }

    fn set(&self, now: Now, key: &str, value: Value, ttl: Option<Duration>) -> Stored {
        if let Err(error) = super::check_value(&self.name, key, &value) {
            return Stored::Now(Err(error));
        }
        let expiry = ttl.map(|ttl| now.wall.saturating_add(ttl));
        later(self.table.set(&self.name, key, &value, expiry, now.wall))
    }

    fn delete(&self, now: Now, key: &str) -> Stored {
        later(self.table.delete(&self.name, key, now.wall))
    }
}

fn later(written: Written<bool>) -> Stored {
    Stored::Later(Box::pin(async move { written.await.map_err(|error| ServiceError(error.to_string())) }))
}
