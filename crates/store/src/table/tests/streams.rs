//! Queues, streams and their consumers.

use message::{ConsumerName, QueueName, StreamName};

use super::frozen::{queue, stream};
use super::*;
use crate::log::Ranges;
use crate::table::{Scan, StoredConsumer, StoredQueue, StoredStream};

fn consumer(name: &str) -> ConsumerName {
    ConsumerName::parse(name).unwrap()
}

#[test]
fn queues_are_made_changed_listed_and_removed() {
    let table = in_memory().queues();
    let name = |name: &str| QueueName::parse(name).unwrap();
    table.put(&name("orders"), &queue()).wait().unwrap();
    let mut other = queue();
    other.options.dead_letter = None;
    table.put(&name("dead"), &other).wait().unwrap();
    let changed = StoredQueue { created: at(8), ..queue() };
    table.put(&name("orders"), &changed).wait().unwrap();
    assert_eq!(table.get(&name("orders")), Ok(Some(changed.clone())));
    let mut found = Vec::new();
    let scan = table.each(|name, queue| found.push((name.as_str().to_owned(), queue)));
    assert_eq!(scan, Ok(Scan { records: 2, damaged: 0 }));
    assert_eq!(found, [("dead".to_owned(), other), ("orders".to_owned(), changed)]);
    assert_eq!(table.remove(&name("orders")).wait(), Ok(true));
    assert_eq!(table.remove(&name("orders")).wait(), Ok(false));
    assert_eq!(table.get(&name("orders")), Ok(None));
}

#[test]
fn a_stream_goes_with_its_consumers_and_without_those_of_others() {
    let tables = in_memory();
    let name = |name: &str| StreamName::parse(name).unwrap();
    let reached = |offset| StoredConsumer { offset, acknowledged: Ranges::default(), updated: at(3) };
    for stream_name in ["t", "t2"] {
        tables.streams().put(&name(stream_name), &stream()).wait().unwrap();
        for (consumer_name, offset) in [("b", 0), ("a", u64::MAX), ("b", 7)] {
            tables.consumers().put(&name(stream_name), &consumer(consumer_name), &reached(offset)).wait().unwrap();
        }
    }
    assert_eq!(tables.consumers().get(&name("t"), &consumer("b")), Ok(Some(reached(7))));
    assert_eq!(tables.streams().remove(&name("t")).wait(), Ok(true));
    assert_eq!(tables.streams().remove(&name("t")).wait(), Ok(false));
    assert_eq!(tables.consumers().get(&name("t"), &consumer("b")), Ok(None));
    let mut found = Vec::new();
    let scan = tables.consumers().each_of(&name("t2"), |name, at| found.push((name.as_str().to_owned(), at)));
    assert_eq!(scan, Ok(Scan { records: 2, damaged: 0 }));
    assert_eq!(found, [("a".to_owned(), reached(u64::MAX)), ("b".to_owned(), reached(7))]);
    assert_eq!(tables.consumers().remove(&name("t2"), &consumer("a")).wait(), Ok(true));
    assert_eq!(tables.consumers().remove(&name("t2"), &consumer("a")).wait(), Ok(false));
    let mut left = Vec::new();
    let scan = tables.streams().each(|name, stream| left.push((name.as_str().to_owned(), stream)));
    assert_eq!(scan, Ok(Scan { records: 1, damaged: 0 }));
    assert_eq!(left, [("t2".to_owned(), StoredStream { ..stream() })]);
}
