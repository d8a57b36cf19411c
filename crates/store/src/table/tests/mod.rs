//! Tests of the table file as a whole: what the tables promise, on good disks and on bad ones.

mod damage;
mod destinations;
mod failing_disk;
mod flows;
pub(super) mod frozen;
mod gated_disk;
mod key_value;
mod removals;
mod retained;
mod revisions;
mod sessions;
mod streams;
mod upgrade;

use super::{Condition, Tables};
use message::{StoreName, Timestamp, Value};
use redb::backends::InMemoryBackend;

fn in_memory() -> Tables {
    let (tables, condition) = Tables::open_backend("tables.redb", InMemoryBackend::new()).unwrap();
    assert_eq!(condition, Condition::New);
    tables
}

fn store(name: &str) -> StoreName {
    StoreName::parse(name).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn set(tables: &Tables, name: &str, key: &str, value: impl Into<Value>) -> bool {
    tables.key_values().set(&store(name), key, &value.into(), None, at(0)).wait().unwrap()
}

fn get(tables: &Tables, name: &str, key: &str) -> Option<Value> {
    tables.key_values().get(&store(name), key, at(0)).unwrap()
}
