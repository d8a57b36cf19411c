//! Ids of destinations, which are never given twice.

use std::collections::BTreeSet;

use message::{ClientId, DestinationId, limits};

use super::frozen::session;
use super::*;
use crate::table::{StoredSession, WriteError};

#[test]
fn no_id_is_given_twice_whoever_asks_and_however_often_the_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let mut given = BTreeSet::new();
    for round in 0..3 {
        let (tables, _) = Tables::open(&path).unwrap();
        let ids = tables.destinations();
        let count = limits::DESTINATION_IDS_RESERVED as usize;
        let parts: Vec<Vec<DestinationId>> = std::thread::scope(|scope| {
            let part = || (0..count).map(|_| ids.give().unwrap()).collect();
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(part)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        given.extend(parts.into_iter().flatten());
        assert_eq!(given.len(), 3 * count * (round + 1));
    }
    assert!(given.first().unwrap().get() > 0);
}

#[test]
fn ids_go_on_far_beyond_all_others_when_it_is_not_known_which_were_given() {
    let tables = in_memory();
    let destination = DestinationId::new(77_000);
    let stored = StoredSession { destination, ..session() };
    tables.sessions().put(&ClientId::parse("a").unwrap(), &stored).wait().unwrap();
    tables
        .meta()
        .committer
        .shared
        .write(0, |transaction| {
            transaction.meta.insert(&b"destinations"[..], &b"rot"[..])?;
            Ok(())
        })
        .wait()
        .unwrap();
    let first = tables.destinations().give().unwrap();
    assert!(first.get() > destination.get() + 1_000_000_000, "{first}");
    assert!(tables.destinations().give().unwrap() > first);
}

#[test]
fn tables_that_are_older_than_the_logs_go_on_far_beyond_what_those_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let known = DestinationId::new(9_000);
    let (tables, _) = Tables::open(&path).unwrap();
    let ids = tables.destinations();
    ids.go_beyond(known);
    let first = ids.give().unwrap();
    assert!(first.get() > known.get() + 1_000_000_000, "{first}");
    drop((ids, tables));
    // These are the ones that gave all that is known: there is no need to leap again.
    let (tables, _) = Tables::open(&path).unwrap();
    let ids = tables.destinations();
    ids.go_beyond(first);
    let next = ids.give().unwrap();
    assert!(next > first && next.get() - first.get() < 1_000_000, "{next}");
}

#[test]
fn without_a_disk_no_id_is_given_and_then_they_are_again() {
    let room = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let left = std::sync::Arc::clone(&room);
    let left = crate::table::room::Room::new(move || Some(left.load(std::sync::atomic::Ordering::SeqCst)));
    let memory = InMemoryBackend::new();
    let (tables, _) =
        Tables::open_sized("tables.redb", 0, left, |builder| builder.create_with_backend(memory)).unwrap();
    let ids = tables.destinations();
    assert!(matches!(ids.give(), Err(WriteError::NoRoom { .. })));
    room.store(u64::MAX, std::sync::atomic::Ordering::SeqCst);
    assert!(ids.give().is_ok());
}
