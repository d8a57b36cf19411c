//! How fast retained messages reach the disk: `cargo run --release -p store --example retained_speed [FOLDER]`.
//! Publishers change topics of their own as clients do, each with a window of changes that are not on disk yet.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement by hand")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use message::{Publication, QoS, Timestamp, TopicName};
use store::Turn;
use store::table::{RetainedTable, Tables};

const SPAN: Duration = Duration::from_secs(4);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    println!("publishers  topics  window  changes/s  commits/s  changes/commit  p50 ms  p99 ms");
    for (publishers, topics, window) in
        [(1, 1, 1), (1, 1, 1000), (1, 1000, 1000), (4, 1000, 1000), (4, 10_000, 1000), (50, 100, 20)]
    {
        let path = folder.join(format!("retained-speed-{}.redb", std::process::id()));
        let (tables, _) = Tables::open(&path).unwrap();
        measure(&tables, publishers, topics, window);
        drop(tables);
        std::fs::remove_file(&path).unwrap();
    }
}

fn measure(tables: &Tables, publishers: usize, topics: usize, window: usize) {
    let before = tables.figures();
    let started = Instant::now();
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let publish = |publisher| {
            let table = tables.retained();
            scope.spawn(move || publish(&table, publisher, topics, window, started))
        };
        let threads: Vec<_> = (0..publishers).map(publish).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let span = started.elapsed().as_secs_f64();
    let after = tables.figures();
    latencies.sort_unstable();
    let commits = (after.commits - before.commits) as f64;
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "{publishers:10}  {topics:6}  {window:6}  {:9.0}  {:9.0}  {:14.0}  {:6.2}  {:6.2}",
        latencies.len() as f64 / span,
        commits / span,
        latencies.len() as f64 / commits,
        at(0.5),
        at(0.99)
    );
}

/// Changes topics in turn until the time is up, and gives how long each change took to reach the disk.
fn publish(table: &RetainedTable, publisher: usize, topics: usize, window: usize, started: Instant) -> Vec<Duration> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let topics: Vec<_> =
        (0..topics).map(|topic| TopicName::parse(&format!("p{publisher}/t{topic}")).unwrap()).collect();
    let mut under_way = VecDeque::new();
    let mut latencies = Vec::new();
    for number in 0.. {
        let topic = topics[number % topics.len()].clone();
        let payload = vec![b'x'; 64].into();
        let publication = Publication::new(topic, payload, QoS::AtLeastOnce, Timestamp::default());
        let point = table.keep(Arc::new(publication), number >= topics.len(), Turn::default());
        under_way.push_back((point, Instant::now()));
        while let Some((point, since)) = under_way.front() {
            match table.poll_reached(*point, &waker) {
                Poll::Ready(reached) => {
                    reached.unwrap();
                    latencies.push(since.elapsed());
                    under_way.pop_front();
                }
                Poll::Pending if under_way.len() >= window => std::thread::park(),
                Poll::Pending => break,
            }
        }
        if started.elapsed() > SPAN {
            break;
        }
    }
    latencies
}
