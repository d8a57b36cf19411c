//! How far the table of retained messages is: whoever holds what it may not have believes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::{Publication, QoS, TopicName, limits};

use super::gated_disk::on_gated_disk;
use super::retained::{message, topic, wait};
use super::*;
use crate::table::RetainedTable;
use crate::{Revision, Turn};

/// A change at this place, with all others up to there told or not.
fn turn(revision: u64, complete: u64) -> Turn {
    Turn { revision: Revision(revision), complete: Revision(complete) }
}

/// Topic, payload and revision of each record.
fn records(table: &RetainedTable) -> Vec<(String, String, u64)> {
    let mut records = Vec::new();
    let scan = table.each(|found: Publication, revision| {
        let payload = String::from_utf8(found.payload.to_vec()).unwrap();
        records.push((found.topic.to_string(), payload, revision.0));
    });
    assert_eq!(scan.unwrap().damaged, 0);
    records
}

fn record(topic: &str, payload: &str, revision: u64) -> (String, String, u64) {
    (topic.to_owned(), payload.to_owned(), revision)
}

#[test]
fn a_topic_that_is_cleared_is_remembered_while_an_earlier_change_may_come() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Tables::open(&folder.path().join("tables.redb")).unwrap().0;
    let tables = open();
    let table = tables.retained();
    assert_eq!(wait(&table, table.keep(message("a", "1"), false, turn(1, 1))), Ok(()));
    // The second is on its way to others first.
    assert_eq!(wait(&table, table.clear(topic("a"), turn(3, 1))), Ok(()));
    assert_eq!(records(&table), [record("a", "", 3)]);
    assert_eq!(table.mark().get(), Revision(1));
    drop((tables, table));
    let tables = open();
    let table = tables.retained();
    assert_eq!((records(&table), table.mark().get()), (vec![record("a", "", 3)], Revision(1)));
    assert_eq!(wait(&table, table.clear(topic("a"), turn(4, 1))), Ok(()));
    // Kept again meanwhile, it stays; what else was cleared goes when the mark has passed it.
    assert_eq!(wait(&table, table.clear(topic("b"), turn(5, 1))), Ok(()));
    assert_eq!(wait(&table, table.keep(message("a", "2"), false, turn(6, 6))), Ok(()));
    assert_eq!(records(&table), [record("a", "2", 6)]);
    assert_eq!(wait(&table, table.clear(topic("a"), turn(7, 7))), Ok(()));
    assert_eq!((records(&table), table.mark().get()), (vec![], Revision(7)));
    drop((tables, table));
    assert_eq!(open().retained().mark().get(), Revision(7));
}

#[test]
fn what_comes_and_goes_while_the_disk_is_busy_is_on_disk_when_the_mark_has_passed_it() {
    let (tables, gate) = on_gated_disk();
    let table = tables.retained();
    gate.set_shut(true);
    let _ = table.keep(message("first", "1"), false, turn(1, 1));
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    let _ = table.keep(message("a", "1"), false, turn(2, 2));
    let cleared = table.clear(topic("a"), turn(3, 3));
    gate.set_shut(false);
    assert_eq!(wait(&table, cleared), Ok(()));
    assert_eq!(table.mark().get(), Revision(3), "otherwise an earlier change could be taken for the last");
}

#[test]
fn the_mark_is_never_beyond_what_a_commit_of_bounded_size_holds() {
    let (tables, gate) = on_gated_disk();
    let table = tables.retained();
    gate.set_shut(true);
    let _ = table.keep(message("first", "1"), false, turn(1, 1));
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    let topics = limits::TABLE_GROUP_WRITES_MAX as u64 * 2 + 10;
    let names: Vec<TopicName> = (0..topics).map(|number| topic(&format!("n{number}"))).collect();
    let keep = |name: &TopicName, revision: u64| {
        let publication = Publication::new(name.clone(), "x".into(), QoS::AtLeastOnce, at(5));
        table.keep(Arc::new(publication), true, turn(revision, revision))
    };
    let mut last: BTreeMap<&TopicName, u64> = BTreeMap::new();
    // The first of them change again at the end, and some are cleared: they are in the first commit all the same.
    for (revision, name) in (2..).zip(names.iter().chain(&names[..20])) {
        let _ = keep(name, revision);
        last.insert(name, revision);
    }
    let cleared: Vec<(&TopicName, u64)> = names[..10].iter().zip(topics + 22..).collect();
    for (name, revision) in &cleared {
        let _ = table.clear(TopicName::clone(name), turn(*revision, *revision));
        last.remove(name);
    }
    let point = table.last_point();
    gate.set_shut(false);
    loop {
        let mark = table.mark().get();
        let found: BTreeMap<String, u64> = records(&table).into_iter().map(|(name, _, at)| (name, at)).collect();
        let is_there = |(name, at): (&&TopicName, &u64)| *at > mark.0 || found.contains_key(name.as_str());
        assert!(last.iter().all(is_there), "the mark is at {mark:?}");
        let is_known = |(name, at): &(&TopicName, u64)| mark.0 >= *at || found.get(name.as_str()) == Some(at);
        assert!(mark <= Revision(1) || cleared.iter().all(is_known), "the mark is at {mark:?}");
        if table.poll_reached(point, std::task::Waker::noop()).is_ready() {
            break;
        }
    }
    assert_eq!(table.mark().get(), Revision(topics + 31));
    assert_eq!(records(&table).len() as u64, topics + 1 - 10);
}
