//! One measured run: connect, warm up, measure, stop, and say what arrived at what cost.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::{now_ns, sleep};
use crate::contender::Running;
use crate::frames::{self, split_first};
use crate::process::own_cpu_us;
use crate::publisher::{Pace, publish};
use crate::receiver::{Progress, Receiver};
use crate::stopped::Stopped;
use crate::traffic::Traffic;

/// Sent and received before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(400);
/// How long a connection may wait for the broker's answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// After so long without an arrival at the end, nothing more will come.
const SETTLED: Duration = Duration::from_millis(300);
/// How long a contender may take until its first message comes through.
const FIRST_MESSAGE_DEADLINE: Duration = Duration::from_secs(60);

/// What one run found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) delivered_per_second: f64,
    /// CPU time of all the contender's processes for each delivered message.
    pub(crate) cpu_us_per_message: f64,
    /// CPU time of the load generator for each delivered message.
    pub(crate) generator_us_per_message: f64,
    pub(crate) rss_mib: f64,
    /// Only at a steady pace.
    pub(crate) latency: Option<Latency>,
    pub(crate) lost: u64,
    /// Messages that came once more than they were sent; seen only at a steady pace with one subscriber.
    pub(crate) repeated: u64,
    /// Messages that came after a later one; seen as above.
    pub(crate) late: u64,
}

/// From the publisher's write to the subscriber's read, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Puts the traffic on a running contender and measures for `duration`.
pub(crate) fn run(contender: &Running, traffic: &Traffic, pace: Pace, duration: Duration) -> Result<Outcome, Stopped> {
    let mut connections = Vec::new();
    for index in 0..traffic.publishers {
        connections.push(connect(contender.port(), &format!("bench-publisher-{index}"))?);
    }
    let subscribers = subscribe(contender.port(), traffic)?;
    let progress = Arc::new(Progress::default());
    progress.measured_from_ns.store(u64::MAX, Ordering::Relaxed);
    progress.gather.store(matches!(pace, Pace::Window(_)), Ordering::Relaxed);
    let publisher = std::thread::spawn({
        let (progress, traffic) = (Arc::clone(&progress), *traffic);
        // The connections come back, so that they stay open until the last message has arrived.
        move || publish(&mut connections, &traffic, pace, &progress).map(|sent| (sent, connections))
    });
    let receiver = Receiver::start(subscribers, Arc::clone(&progress), publisher.thread().clone());

    sleep(WARM_UP);
    let (before_ns, before_cpu) = (now_ns(), contender.cpu_us()?);
    let before_generator = own_cpu_us()?;
    let before = progress.messages.load(Ordering::Acquire);
    if matches!(pace, Pace::PerSecond(_)) {
        progress.measured_from_ns.store(before_ns, Ordering::Relaxed);
    }
    sleep(duration);
    let delivered = (progress.messages.load(Ordering::Acquire) - before) as f64;
    let seconds = (now_ns() - before_ns) as f64 / 1e9;
    let cpu_us = contender.cpu_us()?.saturating_sub(before_cpu) as f64;
    let generator_us = own_cpu_us()?.saturating_sub(before_generator) as f64;
    let rss_mib = contender.rss_kib()? as f64 / 1024.0;

    progress.publisher_stop.store(true, Ordering::Relaxed);
    let (sent, _open) = publisher.join().map_err(|_| Stopped::Panicked)??;
    let received = settled(&progress, sent * traffic.subscribers as u64);
    progress.receiver_stop.store(true, Ordering::Relaxed);
    let measured = receiver.join()?;
    let (repeated, late) = if traffic.subscribers == 1 { disorder(&measured.sent_ns) } else { (0, 0) };
    Ok(Outcome {
        delivered_per_second: delivered / seconds,
        cpu_us_per_message: cpu_us / delivered.max(1.0),
        generator_us_per_message: generator_us / delivered.max(1.0),
        rss_mib,
        latency: latency(measured.latencies_ns),
        lost: (sent * traffic.subscribers as u64).saturating_sub(received.saturating_sub(repeated)),
        repeated,
        late,
    })
}

/// Publishes until the first message comes through, so that a flow is known to run. What is still under way then has
/// arrived when this returns.
pub(crate) fn await_first_message(contender: &Running, traffic: &Traffic) -> Result<(), Stopped> {
    let deadline_ns = now_ns() + u64::try_from(FIRST_MESSAGE_DEADLINE.as_nanos()).unwrap_or(u64::MAX);
    let mut publisher = connect(contender.port(), "bench-first-publisher")?;
    let mut subscriber =
        subscribe(contender.port(), &Traffic { subscribers: 1, ..*traffic })?.pop().ok_or(Stopped::Panicked)?;
    subscriber.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut buffer = [0; 4096];
    let message = frames::publish(&traffic.topic(0), payload_of(traffic).as_slice(), 0);
    while now_ns() < deadline_ns {
        publisher.write_all(&message)?;
        match subscriber.read(&mut buffer) {
            Ok(0) => return Err(Stopped::Connection(ErrorKind::ConnectionReset.into())),
            Ok(_) => {
                sleep(SETTLED);
                return Ok(());
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stopped::NoAnswer { contender: contender.name(), seconds: FIRST_MESSAGE_DEADLINE.as_secs() })
}

fn payload_of(traffic: &Traffic) -> Vec<u8> {
    let message = Traffic { qos: 0, ..*traffic }.message(0, 0);
    split_first(&message.packet).and_then(|(frame, _)| frame.payload()).unwrap_or_default().to_vec()
}

fn subscribe(port: u16, traffic: &Traffic) -> Result<Vec<TcpStream>, Stopped> {
    let mut subscribers = Vec::new();
    for index in 0..traffic.subscribers {
        let mut stream = connect(port, &format!("bench-subscriber-{index}"))?;
        request(&mut stream, &frames::subscribe(traffic.filter, traffic.qos), "the subscription")?;
        subscribers.push(stream);
    }
    Ok(subscribers)
}

fn connect(port: u16, client_id: &str) -> Result<TcpStream, Stopped> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    request(&mut stream, &frames::connect(client_id), "the connection")?;
    Ok(stream)
}

/// Sends a packet and reads the answer, which must grant it. Nothing else is expected to arrive before.
pub(crate) fn request(stream: &mut TcpStream, packet: &[u8], what: &'static str) -> Result<(), Stopped> {
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.write_all(packet)?;
    let mut answer = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte)?;
        answer.extend(byte);
        if let Some((frame, _)) = split_first(&answer) {
            stream.set_read_timeout(None)?;
            return if frame.grants() { Ok(()) } else { Err(Stopped::Refused { what }) };
        }
    }
}

/// Waits until all of `expected` have arrived or nothing more comes; returns what has arrived.
fn settled(progress: &Progress, expected: u64) -> u64 {
    let mut last = (progress.messages.load(Ordering::Acquire), now_ns());
    loop {
        let arrived = progress.messages.load(Ordering::Acquire);
        if arrived != last.0 {
            last = (arrived, now_ns());
        }
        if arrived >= expected || u128::from(now_ns() - last.1) > SETTLED.as_nanos() {
            return arrived;
        }
        sleep(Duration::from_millis(5));
    }
}

/// How many of the messages, each known by when it was sent, came once more, and how many after a later one.
fn disorder(sent_ns: &[u64]) -> (u64, u64) {
    let late = sent_ns.windows(2).filter(|pair| pair.first() > pair.last()).count();
    let mut distinct = sent_ns.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    ((sent_ns.len() - distinct.len()) as u64, late as u64)
}

pub(crate) fn latency(mut latencies_ns: Vec<u64>) -> Option<Latency> {
    latencies_ns.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies_ns.len() * percent / 100).min(latencies_ns.len().checked_sub(1)?);
        latencies_ns.get(index).map(|ns| *ns as f64 / 1000.0)
    };
    Some(Latency { p50_us: at(50)?, p99_us: at(99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_late_messages_are_told_apart() {
        assert_eq!(disorder(&[1, 2, 3]), (0, 0));
        assert_eq!(disorder(&[1, 2, 2, 3]), (1, 0));
        assert_eq!(disorder(&[1, 3, 2, 4]), (0, 1));
        assert_eq!(disorder(&[]), (0, 0));
    }

    #[test]
    fn percentiles_are_taken_from_the_sorted_latencies() {
        let found = latency((1..=1000).rev().map(|it| it * 1000).collect());
        assert_eq!(found, Some(Latency { p50_us: 501.0, p99_us: 991.0 }));
        assert_eq!(latency(vec![7000]), Some(Latency { p50_us: 7.0, p99_us: 7.0 }));
        assert_eq!(latency(Vec::new()), None);
    }
}
