//! A ledger that outlives the node: publishers note every acknowledgement outside of it while it is killed again and again
//! under load. At the end everything that was acknowledged is in the session of a subscriber, in a queue and in a stream; in
//! order, and with QoS 2 once. The subscriber loses its connection between the kills as well.
//!
//! `HEADWATER_LEDGER_CYCLES=1000 cargo test --release -p node --test ledger` kills it a thousand times.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "this file uses a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod book;
mod chance;
mod consumer;
mod publisher;
mod reader;
mod stage;
mod subscriber;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use book::{Book, Delivered};
use chance::Chance;
use harness::{Node, NodeOptions};
use publisher::Publisher;
use stage::Stage;

/// Kills of one run, unless the environment asks for more.
const CYCLES: u64 = 50;
/// A life of the node ends after up to so many acknowledgements.
const ACKNOWLEDGEMENTS_PER_LIFE: u64 = 3_000;
/// Publishers, by topic and QoS.
const PUBLISHERS: [(&str, u8); 4] = [("ledger/a", 1), ("ledger/b", 2), ("ledger/c", 1), ("ledger/d", 2)];
/// The last message of each publisher.
const END: u64 = u64::MAX;

const CONFIGURATION: &str = r#"
[sessions]
backlog_messages_max = 1_000_000_000
backlog_bytes_max = 1_000_000_000_000
backlog_full = "refuse"

[queues.ledger]
bindings = ["ledger/#"]
messages_max = 1_000_000_000
bytes_max = 1_000_000_000_000

[streams.ledger]
bindings = ["ledger/#"]
bytes_max = 1_000_000_000_000
"#;

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_node_is_killed_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("headwater.toml");
    std::fs::write(&config, CONFIGURATION).unwrap();
    let options = NodeOptions { config: Some(config), ..NodeOptions::default() };
    let data = folder.path().join("data");
    let stage = Arc::new(Stage::default());

    let first = Node::start_in(&data, &options);
    stage.open(first.mqtt);
    let subscriber = subscriber::start(&stage);
    stage.await_subscribed();
    let publishers = start_publishers(&stage, folder.path());
    let node = kill_again_and_again(first, &stage, || Node::start_in(&data, &options));
    stage.finish();
    let books: Vec<Book> = publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect();
    let in_session = subscriber.join().unwrap();
    let in_queue = consumer::take_all(node.mqtt);
    let in_stream = reader::read_all(&node);

    let acknowledged: usize = books.iter().map(|book| book.acknowledged().len()).sum();
    println!("{acknowledged} messages were acknowledged in {} lives of the node", cycles() + 1);
    for (book, (topic, qos)) in books.iter().zip(PUBLISHERS) {
        check(&format!("the session's {topic}"), book, qos, &in_session);
        check(&format!("the queue's {topic}"), book, qos, &in_queue);
        check(&format!("the stream's {topic}"), book, qos, &in_stream);
    }
}

fn cycles() -> u64 {
    std::env::var("HEADWATER_LEDGER_CYCLES").map_or(CYCLES, |cycles| cycles.parse().unwrap())
}

fn start_publishers(stage: &Arc<Stage>, folder: &Path) -> Vec<JoinHandle<Book>> {
    let start = |(topic, qos): (&'static str, u8)| {
        let book = Book::create(&folder.join(topic.replace('/', "-")), topic);
        let publisher = Publisher::new(topic, qos, book, Arc::clone(stage));
        thread::spawn(move || publisher.run())
    };
    PUBLISHERS.into_iter().map(start).collect()
}

/// Kills the node after a random number of acknowledgements, and starts it again, which has to work each time.
fn kill_again_and_again(first: Node, stage: &Stage, start: impl Fn() -> Node) -> Node {
    let mut chance = Chance::new();
    let mut node = first;
    for cycle in 1..=cycles() {
        stage.await_acknowledgements(chance.below(ACKNOWLEDGEMENTS_PER_LIFE));
        node.kill();
        node = start();
        stage.open(node.mqtt);
        if cycle % CYCLES == 0 {
            println!("{cycle} kills of {}", cycles());
        }
    }
    // The last life sees load as well.
    stage.await_acknowledgements(ACKNOWLEDGEMENTS_PER_LIFE);
    node
}

/// What one publisher was told against what arrived.
#[track_caller]
fn check(what: &str, book: &Book, qos: u8, delivered: &Delivered) {
    let mut times: BTreeMap<u64, u32> = BTreeMap::new();
    delivered.of(book.topic()).for_each(|number| *times.entry(*number).or_default() += 1);
    let lost: Vec<u64> = book.acknowledged().into_iter().filter(|number| !times.contains_key(number)).collect();
    assert!(lost.is_empty(), "{what}: acknowledged and lost: {lost:?}");
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(qos == 1 || repeated.is_empty(), "{what}: came more than once: {repeated:?}");
    let mut next = 0;
    for number in delivered.of(book.topic()).filter(|number| **number != END) {
        // Anything below has been there; it is a repetition.
        assert!(*number <= next, "{what}: {number} came when {next} was to come");
        next = next.max(number + 1);
    }
}
