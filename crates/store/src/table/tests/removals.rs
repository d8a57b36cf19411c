//! Marks of what was removed: made with the removal, gone when they are forgotten.

use message::{ClientId, DestinationId, QueueName, StreamName};

use super::frozen::{queue, session, stream};
use super::*;
use crate::table::{Scan, StoredQueue, StoredSession, StoredStream};

fn marks(tables: &Tables) -> Vec<u64> {
    let (marked, scan) = tables.removals().all().unwrap();
    assert_eq!(scan, Scan { records: marked.len() as u64, damaged: 0 });
    marked.into_iter().map(DestinationId::get).collect()
}

#[test]
fn what_is_removed_is_marked_in_the_same_step_until_the_mark_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let (tables, _) = Tables::open(&path).unwrap();
    let client = ClientId::parse("a").unwrap();
    let (orders, tele) = (QueueName::parse("orders").unwrap(), StreamName::parse("tele").unwrap());
    let id = DestinationId::new;
    tables.sessions().put(&client, &StoredSession { destination: id(300), ..session() }).wait().unwrap();
    tables.queues().put(&orders, &StoredQueue { destination: id(2), ..queue() }).wait().unwrap();
    tables.streams().put(&tele, &StoredStream { destination: id(70_000), ..stream() }).wait().unwrap();
    assert_eq!(marks(&tables), Vec::<u64>::new());
    assert_eq!(tables.sessions().remove(&client).wait(), Ok(true));
    assert_eq!(tables.queues().remove(&orders).wait(), Ok(true));
    assert_eq!(tables.streams().remove(&tele).wait(), Ok(true));
    assert_eq!(tables.queues().remove(&orders).wait(), Ok(false));
    drop(tables);
    let (tables, _) = Tables::open(&path).unwrap();
    assert_eq!(marks(&tables), [2, 300, 70_000]);
    tables.removals().mark(id(5)).wait().unwrap();
    tables.removals().forget(vec![id(300), id(2), id(4)]).wait().unwrap();
    assert_eq!(marks(&tables), [5, 70_000]);
}
