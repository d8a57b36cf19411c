//! Durable sessions and their subscriptions.

use std::num::NonZeroU32;
use std::time::Duration;

use message::{ClientId, DestinationId, QoS, TopicFilter};

use super::frozen::session;
use super::*;
use crate::table::{Scan, StoredRetainHandling, StoredSession, StoredSubscription};

fn client(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

fn subscription(identifier: u32) -> StoredSubscription {
    StoredSubscription { qos: QoS::ExactlyOnce, identifier: NonZeroU32::new(identifier), ..Default::default() }
}

/// The subscriptions of one client, by filter.
fn subscriptions(tables: &Tables, id: &str) -> Vec<(String, StoredSubscription)> {
    let mut found = Vec::new();
    let each = |filter: TopicFilter, subscription| found.push((filter.as_str().to_owned(), subscription));
    let scan = tables.subscriptions().each_of(&client(id), each).unwrap();
    assert_eq!(scan, Scan { records: found.len() as u64, damaged: 0 });
    found
}

fn sessions(tables: &Tables) -> (Vec<(String, StoredSession)>, Scan) {
    let mut found = Vec::new();
    let scan = tables.sessions().each(|client, session| found.push((client.as_str().to_owned(), session))).unwrap();
    (found, scan)
}

#[test]
fn a_session_is_kept_as_its_client_leaves_and_returns() {
    let tables = in_memory();
    let table = tables.sessions();
    assert_eq!(table.get(&client("a")), Ok(None));
    let present = StoredSession { absent_since: None, ..session() };
    table.put(&client("a"), &present).wait().unwrap();
    assert_eq!(table.get(&client("a")), Ok(Some(present.clone())));
    let expiry = Some(Duration::from_secs(60));
    assert_eq!(table.left(&client("a"), at(9), expiry, true).wait(), Ok(true));
    let away = StoredSession { absent_since: Some(at(9)), expiry, ..present.clone() };
    assert_eq!(table.get(&client("a")), Ok(Some(away.clone())));
    assert_eq!(table.forget_will(&client("a")).wait(), Ok(true));
    assert_eq!(table.get(&client("a")), Ok(Some(StoredSession { will: None, ..away.clone() })));
    table.put(&client("a"), &present).wait().unwrap();
    assert_eq!(table.left(&client("a"), at(9), None, false).wait(), Ok(true));
    assert_eq!(table.get(&client("a")), Ok(Some(StoredSession { expiry: None, will: None, ..away })));
    assert_eq!(table.left(&client("b"), at(9), None, false).wait(), Ok(false));
    assert_eq!(table.forget_will(&client("b")).wait(), Ok(false));
    assert_eq!(table.get(&client("b")), Ok(None));
}

#[test]
fn a_session_goes_with_its_subscriptions_and_without_those_of_others() {
    let tables = in_memory();
    for id in ["a", "ab", "a-", "ä"] {
        tables.sessions().put(&client(id), &session()).wait().unwrap();
        let both = [(filter("x/+"), subscription(1)), (filter("#"), subscription(2))];
        tables.subscriptions().put(&client(id), &both).wait().unwrap();
    }
    assert_eq!(tables.sessions().remove(&client("a")).wait(), Ok(true));
    assert_eq!(tables.sessions().remove(&client("a")).wait(), Ok(false));
    assert_eq!(subscriptions(&tables, "a"), []);
    let all: Vec<String> = sessions(&tables).0.into_iter().map(|(id, _)| id).collect();
    assert_eq!(all, ["a-", "ab", "ä"]);
    let mut left = Vec::new();
    let each = |client: ClientId, filter: TopicFilter, _| left.push(format!("{client} {}", filter.as_str()));
    assert_eq!(tables.subscriptions().each(each), Ok(Scan { records: 6, damaged: 0 }));
    assert_eq!(left, ["a- #", "a- x/+", "ab #", "ab x/+", "ä #", "ä x/+"]);
}

#[test]
fn subscriptions_are_replaced_and_removed_by_filter() {
    let tables = in_memory();
    let table = tables.subscriptions();
    let shared = filter("$share/g/a/b");
    let both = [(filter("a/b"), subscription(1)), (shared.clone(), subscription(0))];
    table.put(&client("c"), &both).wait().unwrap();
    let other = StoredSubscription {
        no_local: true,
        retain_as_published: true,
        retain_handling: StoredRetainHandling::Never,
        ..subscription(7)
    };
    table.put(&client("c"), &[(filter("a/b"), other)]).wait().unwrap();
    let expected = [("$share/g/a/b".to_owned(), subscription(0)), ("a/b".to_owned(), other)];
    assert_eq!(subscriptions(&tables, "c"), expected);
    assert_eq!(table.remove(&client("c"), &[filter("a/b"), filter("a")]).wait(), Ok(1));
    assert_eq!(table.remove(&client("c"), &[shared]).wait(), Ok(1));
    assert_eq!(subscriptions(&tables, "c"), []);
}

#[test]
fn damaged_records_are_passed_over_and_counted() {
    let tables = in_memory();
    for id in ["a", "b", "c"] {
        let session = StoredSession { destination: DestinationId::new(id.len() as u64), ..session() };
        tables.sessions().put(&client(id), &session).wait().unwrap();
    }
    let rot = tables.sessions().committer.shared.write(0, |transaction| {
        let mut record = redb::ReadableTable::get(&transaction.sessions, &b"b"[..])?.unwrap().value().to_vec();
        record[3] ^= 1;
        transaction.sessions.insert(&b"b"[..], &*record)?;
        Ok(())
    });
    rot.wait().unwrap();
    let (found, scan) = sessions(&tables);
    assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(scan, Scan { records: 2, damaged: 1 });
    assert!(tables.sessions().get(&client("b")).unwrap_err().to_string().contains("the session of client `b`"));
    let refused = tables.sessions().left(&client("b"), at(1), None, false).wait().unwrap_err().to_string();
    assert!(refused.contains("the session of client `b` is damaged"), "{refused}");
    assert_eq!(tables.sessions().remove(&client("b")).wait(), Ok(true));
}
