//! What the log of sessions and queues costs: `cargo run --release -p store --example log_speed [FOLDER]`.
//! The CPU time is that of the thread that appends; the files are removed at the end.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a measurement by hand")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::{Bytes, DestinationId, Publication, QoS, Timestamp, TopicName};
use rustix::time::{ClockId, clock_gettime};
use store::disk::{Disk, RealDisk};
use store::log::{AppendError, CommitPoint, Committer};
use store::spool::{DestinationOptions, Ordinal, Placement, Spool, SpoolOptions};

/// Appends between two looks at the committer.
const ROUND: u64 = 10_000;

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("log-speed-{}", std::process::id()));
    append_stepped(&folder.join("one"), 1);
    append_stepped(&folder.join("fifty"), 50);
    append_beside_the_committer(&folder.join("group"));
    ten_thousand_sessions(&folder.join("sessions"));
    a_gigabyte(&folder.join("gigabyte"));
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
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Appends alone, the commits between them not counted.
fn append_stepped(folder: &Path, destinations: u64) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let committer = Committer::stepped(disk);
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
    let committer = Committer::start(Arc::new(RealDisk)).unwrap();
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

/// Sessions with ten messages each, by messages that go to all of them.
fn ten_thousand_sessions(folder: &Path) {
    let committer = Committer::start(Arc::new(RealDisk)).unwrap();
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
    let committer = Committer::stepped(Arc::new(RealDisk));
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
    let committer = Committer::start(Arc::new(RealDisk)).unwrap();
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
    let committer = Committer::start(Arc::new(RealDisk)).unwrap();
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
