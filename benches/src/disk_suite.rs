//! What lies on disk: how fast messages are acknowledged that someone absent is to have, and how fast he gets them when he
//! is back. mosquitto stands beside as what a broker does that does not wait for the disk.

use crate::contender::{Running, start_headwater_with, start_mosquitto_with_file};
use crate::disk_load::{ABSENT, Until, drain, leave_session, publish};
use crate::figures::{Column, Measured, Scenario, print};
use crate::load::Latency;
use crate::options::Options;
use crate::stopped::Stopped;
use crate::traffic::{Payload, Traffic};

const TRAFFIC: Traffic =
    Traffic { publishers: 1, subscribers: 1, qos: 1, payload: Payload::Bytes(64), filter: "bench/in/#" };
const WINDOW: usize = 1_000;
const BACKLOG: u64 = 1_000_000;

/// Room for whatever is published in the time that was asked for.
pub(crate) const ROOM: &[&str] =
    &["sessions.backlog_messages_max=100000000", "sessions.backlog_bytes_max=100000000000"];
/// A queue that gets all.
const QUEUE: &[&str] = &[
    "queues.bench.bindings=[\"bench/in/#\"]",
    "queues.bench.messages_max=100000000",
    "queues.bench.bytes_max=100000000000",
];

/// A stream that gets all.
const STREAM: &[&str] = &["streams.bench.bindings=[\"bench/in/#\"]", "streams.bench.bytes_max=100000000000"];

/// One run of publishing.
#[derive(Debug, Clone, Copy)]
struct Published {
    per_second: f64,
    cpu_us: f64,
    latency: Option<Latency>,
    rss_mib: f64,
}

impl Measured for Published {
    const COLUMNS: &'static [Column<Self>] = &[
        Column { heading: "acknowledged/s", decimals: 0, figure: |it| Some(it.per_second) },
        Column { heading: "CPU µs/message", decimals: 2, figure: |it| Some(it.cpu_us) },
        Column { heading: "ack p50 µs", decimals: 0, figure: |it| it.latency.map(|it| it.p50_us) },
        Column { heading: "ack p99 µs", decimals: 0, figure: |it| it.latency.map(|it| it.p99_us) },
        Column { heading: "RSS MiB", decimals: 1, figure: |it| Some(it.rss_mib) },
    ];
}

/// One run of a backlog.
#[derive(Debug, Clone, Copy)]
struct Backlog {
    filled_per_second: f64,
    drained_per_second: f64,
    cpu_us: f64,
    rss_mib: RssMib,
}

/// What was resident before the backlog, with all of it, at most while it was drained, and after.
#[derive(Debug, Clone, Copy)]
struct RssMib {
    before: f64,
    filled: f64,
    draining: f64,
    after: f64,
}

impl Measured for Backlog {
    const COLUMNS: &'static [Column<Self>] = &[
        Column { heading: "filled/s", decimals: 0, figure: |it| Some(it.filled_per_second) },
        Column { heading: "drained/s", decimals: 0, figure: |it| Some(it.drained_per_second) },
        Column { heading: "CPU µs/drained", decimals: 2, figure: |it| Some(it.cpu_us) },
        Column { heading: "RSS MiB before", decimals: 1, figure: |it| Some(it.rss_mib.before) },
        Column { heading: "filled", decimals: 1, figure: |it| Some(it.rss_mib.filled) },
        Column { heading: "draining", decimals: 1, figure: |it| Some(it.rss_mib.draining) },
        Column { heading: "after", decimals: 1, figure: |it| Some(it.rss_mib.after) },
    ];
}

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    let chosen = |name: &str| name.contains(&options.only);
    let mut published = Vec::new();
    let name = "QoS 1 into an absent session";
    if chosen(name) {
        let mosquitto = rounds(options, || acknowledged(options, &start_mosquitto_with_file()?, true))?;
        let headwater = headwater_rounds(options, ROOM, |node| acknowledged(options, node, true))?;
        published.push(scenario(name, Some(("mosquitto, without fsync", mosquitto)), headwater));
    }
    let name = "QoS 1 into a queue";
    if chosen(name) {
        let headwater = headwater_rounds(options, QUEUE, |node| acknowledged(options, node, false))?;
        published.push(scenario(name, None, headwater));
    }
    let name = "QoS 1 into a stream";
    if chosen(name) {
        let headwater = headwater_rounds(options, STREAM, |node| acknowledged(options, node, false))?;
        published.push(scenario(name, None, headwater));
    }
    if !published.is_empty() {
        print("On disk, payloads of 64 bytes, 1,000 under way; Headwater with fsync", &published);
    }
    let backlogs = backlogs(options)?;
    if !backlogs.is_empty() {
        print("A backlog of 1,000,000 that a returning client drains, payloads of 64 bytes, QoS 1", &backlogs);
    }
    Ok(())
}

fn backlogs(options: &Options) -> Result<Vec<Scenario<Backlog>>, Stopped> {
    let mut measured = Vec::new();
    let name = "backlog of a session";
    if name.contains(&options.only) {
        let mosquitto = rounds(options, || backlog(&start_mosquitto_with_file()?, TRAFFIC.filter))?;
        let headwater = headwater_rounds(options, ROOM, |node| backlog(node, TRAFFIC.filter))?;
        measured.push(scenario(name, Some(("mosquitto, in memory", mosquitto)), headwater));
    }
    for (name, filter, settings) in
        [("backlog of a queue", "$queue/bench", QUEUE), ("backlog of a stream", "$stream/bench", STREAM)]
    {
        if name.contains(&options.only) {
            let headwater = headwater_rounds(options, settings, |node| backlog(node, filter))?;
            measured.push(scenario(name, None, headwater));
        }
    }
    Ok(measured)
}

fn rounds<T>(options: &Options, mut run: impl FnMut() -> Result<T, Stopped>) -> Result<Vec<T>, Stopped> {
    (0..options.rounds).map(|_| run()).collect()
}

/// None without the binary.
fn headwater_rounds<T>(
    options: &Options,
    settings: &[&str],
    mut run: impl FnMut(&Running) -> Result<T, Stopped>,
) -> Result<Vec<T>, Stopped> {
    if !options.headwater.is_file() {
        return Ok(Vec::new());
    }
    rounds(options, || run(&start_headwater_with(&options.headwater, None, settings)?))
}

fn scenario<T>(name: &'static str, other: Option<(&'static str, Vec<T>)>, headwater: Vec<T>) -> Scenario<T> {
    let own = Some(("Headwater", headwater)).filter(|(_, outcomes)| !outcomes.is_empty());
    Scenario { name, rounds: other.into_iter().chain(own).collect() }
}

fn acknowledged(options: &Options, contender: &Running, to_session: bool) -> Result<Published, Stopped> {
    if to_session {
        leave_session(contender.port(), ABSENT, TRAFFIC.filter)?;
    }
    let before_us = contender.cpu_us()?;
    let seen = publish(contender.port(), &TRAFFIC, WINDOW, Until::Elapsed(options.duration))?;
    let cpu_us = contender.cpu_us()?.saturating_sub(before_us) as f64;
    let messages = seen.messages as f64;
    Ok(Published {
        per_second: messages / seen.seconds,
        cpu_us: cpu_us / messages.max(1.0),
        latency: seen.latency,
        rss_mib: mib(contender.rss_kib()?),
    })
}

/// A client that takes from `filter` leaves, and comes back when all has been published.
fn backlog(contender: &Running, filter: &str) -> Result<Backlog, Stopped> {
    leave_session(contender.port(), ABSENT, filter)?;
    let before = mib(contender.rss_kib()?);
    let filled = publish(contender.port(), &TRAFFIC, WINDOW, Until::Acknowledged(BACKLOG))?;
    let rss_filled = mib(contender.rss_kib()?);
    let before_us = contender.cpu_us()?;
    let drained = drain(contender, BACKLOG)?;
    let cpu_us = contender.cpu_us()?.saturating_sub(before_us) as f64;
    let messages = drained.messages as f64;
    Ok(Backlog {
        filled_per_second: filled.messages as f64 / filled.seconds,
        drained_per_second: messages / drained.seconds,
        cpu_us: cpu_us / messages.max(1.0),
        rss_mib: RssMib {
            before,
            filled: rss_filled,
            draining: mib(drained.rss_most_kib),
            after: mib(contender.rss_kib()?),
        },
    })
}

pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
