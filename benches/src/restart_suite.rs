//! How fast a node is back that was killed with a log of 1 GB: in the backlog of a session, in a queue and in a stream, a
//! third in each, beside a thousand sessions with a few messages. From its exec to the first CONNACK, and what it holds then:
//! as after a kill, with what was written still in memory, and as after a loss of power, with the files on the disk alone.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::clock::{now_ns, sleep};
use crate::contender::{Running, start_again, start_headwater_with};
use crate::disk_load::{ABSENT, Until, connect, leave_session, publish_as};
use crate::disk_suite::mib;
use crate::figures::{Column, Measured, Scenario, print};
use crate::frames;
use crate::options::Options;
use crate::page_cache::forget_files;
use crate::stopped::Stopped;
use crate::traffic::{Payload, Traffic};

/// What the destinations have before the first kill, about, each its share.
const LOG_BYTES: [u64; DESTINATIONS] = [333_000_000, 333_000_000, 333_000_000];
/// What each gets before a further one: the last segments, which have to be read record by record, are nearly full then.
const MORE_BYTES: [u64; DESTINATIONS] = [14_000_000, 14_000_000, 28_000_000];
/// What a record has beside the payload, about.
const RECORD_BYTES: usize = 56;
const WINDOW: usize = 1_000;
const SESSIONS: usize = 1_000;
/// Messages to all of them.
const MESSAGES_TO_ALL: u64 = 10;
/// A node that is not back by then never will be.
const DEADLINE_NS: u64 = 120_000_000_000;
const RETRY: Duration = Duration::from_millis(1);
/// Until the node has done what it does after a start.
const SETTLE: Duration = Duration::from_secs(2);

/// The publishers' topics, in the order in which they are filled: a session, a queue, a stream. One more goes to all sessions.
const DESTINATIONS: usize = 3;
const TO_ALL: usize = 3;
const SETTINGS: &[&str] = &[
    "sessions.backlog_messages_max=100000000",
    "sessions.backlog_bytes_max=100000000000",
    "queues.bench.bindings=[\"bench/in/1\"]",
    "queues.bench.messages_max=100000000",
    "queues.bench.bytes_max=100000000000",
    "streams.bench.bindings=[\"bench/in/2\"]",
    "streams.bench.bytes_max=100000000000",
];

/// One restart.
#[derive(Debug, Clone, Copy)]
struct Restarted {
    messages: u64,
    log_bytes: u64,
    connack_ms: f64,
    cpu_ms: f64,
    rss_mib: f64,
    settled_mib: f64,
}

impl Measured for Restarted {
    const COLUMNS: &'static [Column<Self>] = &[
        Column { heading: "messages", decimals: 0, figure: |it| Some(it.messages as f64) },
        Column { heading: "log MB", decimals: 0, figure: |it| Some(it.log_bytes as f64 / 1e6) },
        Column { heading: "exec to CONNACK ms", decimals: 0, figure: |it| Some(it.connack_ms) },
        Column { heading: "CPU ms", decimals: 0, figure: |it| Some(it.cpu_ms) },
        Column { heading: "RSS MiB then", decimals: 1, figure: |it| Some(it.rss_mib) },
        Column { heading: "2 s later", decimals: 1, figure: |it| Some(it.settled_mib) },
    ];
}

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    let mut scenarios = Vec::new();
    for (name, bytes) in [("64 bytes", 64), ("256 bytes", 256), ("4,096 bytes", 4_096)] {
        if options.headwater.is_file() && name.contains(&options.only) {
            let [in_memory, on_disk] = restarts(options, bytes)?;
            let rounds = vec![("files in memory", in_memory), ("files on disk alone", on_disk)];
            scenarios.push(Scenario { name, rounds });
        }
    }
    if !scenarios.is_empty() {
        print("Killed and started again with a log of 1 GB, by the size of its payloads", &scenarios);
    }
    Ok(())
}

/// Fills the logs, then kills the node and starts it again, twice a round: with its files in memory, and on the disk alone.
fn restarts(options: &Options, payload_bytes: usize) -> Result<[Vec<Restarted>; 2], Stopped> {
    let payload = Payload::Bytes(payload_bytes);
    let traffic = Traffic { publishers: DESTINATIONS, subscribers: 1, qos: 1, payload, filter: "bench/in/0" };
    let mut node = start_headwater_with(&options.headwater, None, SETTINGS)?;
    leave_session(node.port(), ABSENT, traffic.filter)?;
    for number in 0..SESSIONS {
        leave_session(node.port(), &format!("bench-{number}"), &traffic.topic(TO_ALL))?;
    }
    let mut messages =
        publish_as(TO_ALL, node.port(), &traffic, WINDOW, Until::Acknowledged(MESSAGES_TO_ALL))?.messages;
    let mut rounds = [Vec::new(), Vec::new()];
    for number in 0..2 * options.rounds {
        let shares = if number == 0 { LOG_BYTES } else { MORE_BYTES };
        for (publisher, bytes) in shares.into_iter().enumerate() {
            let until = Until::Acknowledged(bytes / (payload_bytes + RECORD_BYTES) as u64);
            messages += publish_as(publisher, node.port(), &traffic, WINDOW, until)?.messages;
        }
        let is_cold = number % 2 == 1;
        let (again, restarted) = restart(node, options, messages, is_cold)?;
        node = again;
        rounds[usize::from(is_cold)].push(restarted);
    }
    Ok(rounds)
}

fn restart(node: Running, options: &Options, messages: u64, is_cold: bool) -> Result<(Running, Restarted), Stopped> {
    let log_bytes = log_bytes(&node)?;
    let killed = node.killed();
    if is_cold {
        let path = killed.data_dir();
        forget_files(&path).map_err(|source| Stopped::Read { path, source })?;
    }
    let start_ns = now_ns();
    let node = start_again(killed, &options.headwater, SETTINGS)?;
    let ready_ns = first_connack_ns(node.port(), start_ns)?;
    let (cpu_us, rss_kib) = (node.cpu_us()?, node.rss_kib()?);
    sleep(SETTLE);
    let settled_mib = mib(node.rss_kib()?);
    let (connack_ms, cpu_ms) = ((ready_ns - start_ns) as f64 / 1e6, cpu_us as f64 / 1e3);
    Ok((node, Restarted { messages, log_bytes, connack_ms, cpu_ms, rss_mib: mib(rss_kib), settled_mib }))
}

/// When a client that tries again and again was first let in.
fn first_connack_ns(port: u16, start_ns: u64) -> Result<u64, Stopped> {
    loop {
        match connect(port, &frames::connect("bench-first")) {
            Ok(_) => return Ok(now_ns()),
            Err(error) if now_ns() - start_ns > DEADLINE_NS => return Err(error),
            Err(_) => sleep(RETRY),
        }
    }
}

/// The bytes of all logs of a node.
fn log_bytes(node: &Running) -> Result<u64, Stopped> {
    let path = node.data_dir();
    bytes_below(&path).map_err(|source| Stopped::Read { path, source })
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may go while it is looked at.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            bytes += bytes_below(&entry.path())?;
        } else if entry.path().extension().is_some_and(|it| it == "log") {
            bytes += metadata.len();
        }
    }
    Ok(bytes)
}
