//! Files of earlier versions, which had fewer tables.

use super::*;
use crate::table::Scan;
use redb::{Database, TableDefinition};

#[test]
fn tables_that_a_file_does_not_have_yet_are_made_and_the_others_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    set(&Tables::open(&path).unwrap().0, "s", "k", 1);
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    for name in ["sessions", "subscriptions", "retained", "queues", "streams", "consumers", "removals"] {
        assert!(transaction.delete_table(TableDefinition::<&[u8], &[u8]>::new(name)).unwrap(), "{name}");
    }
    transaction.commit().unwrap();
    drop(database);
    let (tables, condition) = Tables::open(&path).unwrap();
    assert_eq!(condition, Condition::Closed);
    assert_eq!(get(&tables, "s", "k"), Some(Value::from(1)));
    assert_eq!(tables.retained().each(|_, _| ()), Ok(Scan::default()));
    assert_eq!(tables.sessions().each(|_, _| ()), Ok(Scan::default()));
}
