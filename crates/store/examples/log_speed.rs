//! What the logs of sessions and queues and of streams cost: `cargo run --release -p store --example log_speed [FOLDER [PART]]`.
//! The CPU time is that of the thread that appends; the files are removed at the end.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a measurement by hand")]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use message::{Bytes, DestinationId, Publication, QoS, Timestamp, TopicName};
use rustix::time::{ClockId, clock_gettime};
use store::disk::RealDisk;
use store::log::{AppendError, CommitPoint, Committer};
use store::spool::{DestinationOptions, Ordinal, Placement, Spool, SpoolOptions};
use store::stream::{Stream, StreamOptions};

/// Appends between two looks at the committer.
const ROUND: u64 = 10_000;

/// One part: it may write into a folder of its own.
type Measure = fn(&Path);

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("log-speed-{}", std::process::id()));
    let part = std::env::args().nth(2).unwrap_or_default();
    let parts: [(&str, Measure); 7] = [
        ("one", |folder| append_stepped(folder, 1)),
        ("fifty", |folder| append_stepped(folder, 50)),
        ("group", append_beside_the_committer),
        ("window", window),
        ("stream", window_of_a_stream),
        ("sessions", ten_thousand_sessions),
        ("gigabyte", a_gigabyte),
    ];
    for (name, run) in parts.into_iter().filter(|(name, _)| name.contains(&part)) {
        run(&folder.join(name));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn open(folder: &Path, committer: &Committer) -> Spool {
    let (spool, recovery) = Spool::open(Arc::new(RealDisk), folder, SpoolOptions::default(), committer).unwrap();
    assert_eq!(recovery.damage, []);
    spool
}

fn add(spool: &Spool, destinations: u64) -> Vec<Placement> {
    let placement = |id| {
        let destination = DestinationId::new(id);
        spool.add(destination, DestinationOptions::default()).unwrap();
        Placement { destination, qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() }
    };
    (1..=destinations).map(placement).collect()
}

fn message(payload_bytes: usize) -> Publication {
    let topic = TopicName::parse("plc/line1/temperature").unwrap();
    Publication::new(topic, Bytes::from(vec![b'x'; payload_bytes]), QoS::AtLeastOnce, Timestamp::from_millis(1))
}

fn append(spool: &Spool, publication: &Publication, to: &[Placement]) -> CommitPoint {
    loop {
        match spool.append(publication.published_at, publication, None, to, |_, _, _| {}) {
            Ok(point) => return point,
            Err(AppendError::Full { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(of: ClockId) -> Duration {
    let time = clock_gettime(of);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Appends alone, the commits between them not counted.
fn append_stepped(folder: &Path, destinations: u64) {
    let committer = Committer::stepped();
    let spool = open(folder, &committer);
    let (to, publication) = (add(&spool, destinations), message(64));
    let (mut spent, mut count) = (Duration::ZERO, 0);
    for _ in 0..100 {
        let before = cpu();
        for _ in 0..ROUND {
            append(&spool, &publication, &to);
        }
        spent += cpu() - before;
        count += ROUND;
        committer.commit_once();
    }
    println!("append to {destinations:5}: {:6.0} ns CPU", spent.as_nanos() as f64 / count as f64);
}

/// One thread appends as fast as it can, the committer writes and syncs.
fn append_beside_the_committer(folder: &Path) {
    let committer = Committer::start().unwrap();
    let spool = open(folder, &committer);
    let (to, publication) = (add(&spool, 1), message(64));
    let (started, before, count) = (Instant::now(), cpu(), 3_000_000);
    let mut last = CommitPoint::REACHED;
    for _ in 0..count {
        last = append(&spool, &publication, &to);
    }
    let spent = cpu() - before;
    while !spool.committed(last) {
        std::thread::yield_now();
    }
    let seconds = started.elapsed().as_secs_f64();
    let each = spent.as_nanos() as f64 / f64::from(count);
    println!("with group commit: {:9.0} messages/s synced, {each:4.0} ns CPU an append", f64::from(count) / seconds);
}

/// A publisher with at most 1,000 messages that are not safe yet, as an MQTT client has them: how long each took.
fn window(folder: &Path) {
    let committer = Committer::start().unwrap();
    let spool = open(folder, &committer);
    let (to, publication) = (add(&spool, 1), message(64));
    keep_window(
        "spool, 1,000 under way",
        || append(&spool, &publication, &to),
        |point, waker| spool.poll_committed(point, waker).is_ready(),
    );
}

/// The same into a stream.
fn window_of_a_stream(folder: &Path) {
    let committer = Committer::start().unwrap();
    let (stream, _) = Stream::open(Arc::new(RealDisk), folder, StreamOptions::default(), &committer).unwrap();
    let publication = message(64);
    keep_window(
        "stream, 1,000 under way",
        || stream.append(publication.published_at, &publication, |_| {}).unwrap().1,
        |point, waker| stream.poll_committed(point, waker).is_ready(),
    );
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn keep_window(name: &str, mut append: impl FnMut() -> CommitPoint, is_safe: impl Fn(CommitPoint, &Waker) -> bool) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut under_way, mut took_us) = (VecDeque::new(), Vec::new());
    let (started, before) = (Instant::now(), clock(ClockId::ProcessCPUTime));
    while started.elapsed() < Duration::from_secs(4) {
        while under_way.len() < 1_000 {
            under_way.push_back((append(), Instant::now()));
        }
        while under_way.front().is_some_and(|(point, _)| !is_safe(*point, &waker)) {
            std::thread::park();
        }
        while let Some((_, since)) = under_way.pop_front_if(|(point, _)| is_safe(*point, Waker::noop())) {
            took_us.push(since.elapsed().as_micros() as f64);
        }
    }
    let (seconds, spent) = (started.elapsed().as_secs_f64(), clock(ClockId::ProcessCPUTime) - before);
    took_us.sort_by(f64::total_cmp);
    let at = |share: f64| took_us[(share * (took_us.len() - 1) as f64) as usize] / 1000.0;
    println!(
        "{name}: {:.0} messages/s synced, {:.0} ns CPU each, safe after {:.2} ms (p50), {:.2} (p90), {:.2} (p99)",
        took_us.len() as f64 / seconds,
        spent.as_nanos() as f64 / took_us.len() as f64,
        at(0.5),
        at(0.9),
        at(0.99)
    );
}

/// Sessions with ten messages each, by messages that go to all of them.
fn ten_thousand_sessions(folder: &Path) {
    let committer = Committer::start().unwrap();
    let spool = open(folder, &committer);
    let before = resident_mib();
    let (to, publication) = (add(&spool, 10_000), message(64));
    let started = cpu();
    for _ in 0..10 {
        append(&spool, &publication, &to);
    }
    let each = (cpu() - started).as_nanos() as f64 / 100_000.0;
    drop((spool, committer));
    let started = Instant::now();
    let committer = Committer::stepped();
    let spool = open(folder, &committer);
    let opened = started.elapsed().as_secs_f64() * 1000.0;
    let (started, mut read) = (Instant::now(), Vec::new());
    for placement in &to {
        spool.read(placement.destination, Ordinal(0), 100, 1 << 20, &mut read).unwrap();
    }
    let rate = read.len() as f64 / started.elapsed().as_secs_f64();
    drop(read);
    println!(
        "10,000 sessions, 10 messages each: {each:.0} ns CPU a placement, opened in {opened:.1} ms, {rate:.0} read/s, \
         {:.1} MiB more resident",
        resident_mib() - before
    );
}

/// A backlog of one session with a gigabyte on the disk: opened, read, acknowledged.
fn a_gigabyte(folder: &Path) {
    let committer = Committer::start().unwrap();
    let spool = open(folder, &committer);
    let (to, publication) = (add(&spool, 1), message(64));
    let before = resident_mib();
    let count = 8_000_000u64;
    let mut last = CommitPoint::REACHED;
    for number in 0..count {
        last = append(&spool, &publication, &to);
        if number == 1_000_000 {
            println!("1,000,000 messages wait: {:.1} MiB more resident", resident_mib() - before);
        }
    }
    while !spool.committed(last) {
        std::thread::yield_now();
    }
    drop((spool, committer));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    let bytes: u64 = files.sum();
    let committer = Committer::start().unwrap();
    let started = Instant::now();
    let spool = open(folder, &committer);
    let opened = started.elapsed().as_secs_f64() * 1000.0;
    println!("{:.2} GB, {count} messages: opened in {opened:.0} ms", bytes as f64 / 1e9);
    let (id, mut from, mut found, mut batch) = (to[0].destination, Ordinal(0), 0, Vec::new());
    let started = Instant::now();
    loop {
        batch.clear();
        let read = spool.read(id, from, 1000, 1 << 20, &mut batch).unwrap();
        found += batch.len() as u64;
        from = read.from;
        if !read.more {
            break;
        }
    }
    assert_eq!(found, count);
    println!(
        "read: {:.0} messages/s, {:.1} MiB resident",
        count as f64 / started.elapsed().as_secs_f64(),
        resident_mib()
    );
    let started = Instant::now();
    let ordinals: Vec<Ordinal> = (0..1000).map(Ordinal).collect();
    for first in (0..count).step_by(1000) {
        let some: Vec<Ordinal> = ordinals.iter().map(|ordinal| Ordinal(ordinal.0 + first)).collect();
        spool.acknowledge(id, &some);
    }
    println!("acknowledged by thousands: {:.0} messages/s", count as f64 / started.elapsed().as_secs_f64());
}
