//! The publishing side: as fast as the far end keeps up, or at a steady pace. Packets are encoded before the measurement
//! begins, so that the generator costs little.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::{now_ns, sleep, sleep_until};
use crate::frames::{set_packet_id, split_first};
use crate::receiver::Progress;
use crate::traffic::Traffic;

/// How fast to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it goes with at most this many messages under way: at QoS 0 not yet received by the subscribers, at
    /// QoS 1 not yet acknowledged by the broker. So nothing has to be dropped and what is measured can be sustained.
    Window(usize),
    /// This many messages a second, each with the time at which it was sent.
    PerSecond(u64),
}

/// The publisher lets acknowledgements gather for so long: the window is wide enough that the broker still has work,
/// and waking for each of them would cost as much as the broker's own work.
const GATHER: Duration = Duration::from_micros(50);
/// Messages that are sent in one write at most.
const BATCH_MAX: usize = 256;
/// After so long without a single arrival, what is under way counts as lost, and the sending goes on.
const WRITE_OFF: Duration = Duration::from_millis(500);

/// Publishes until `Progress::publisher_stop`; returns how many messages were sent.
pub(crate) fn publish(
    connections: &mut [TcpStream],
    traffic: &Traffic,
    pace: Pace,
    progress: &Progress,
) -> io::Result<u64> {
    match (pace, traffic.qos) {
        (Pace::Window(window), 0) => publish_received(connections, traffic, window, progress),
        (Pace::Window(window), _) => publish_acknowledged(connections, traffic, window, progress),
        (Pace::PerSecond(rate), _) => publish_paced(connections, traffic, rate, progress),
    }
}

/// QoS 0: the subscribers' count is the only sign that a message has passed.
fn publish_received(
    connections: &mut [TcpStream],
    traffic: &Traffic,
    window: usize,
    progress: &Progress,
) -> io::Result<u64> {
    let fan_out = traffic.subscribers as u64;
    let batch = (window / traffic.subscribers / 2).clamp(1, BATCH_MAX);
    let batches: Vec<Vec<u8>> = (0..connections.len())
        .map(|publisher| (0..batch).flat_map(|number| traffic.message(publisher, number).packet).collect())
        .collect();
    let (mut sent, mut written_off) = (0_u64, 0_u64);
    loop {
        for (connection, bytes) in connections.iter_mut().zip(&batches) {
            let mut last = (progress.messages.load(Ordering::Acquire), now_ns());
            loop {
                if progress.publisher_stop.load(Ordering::Relaxed) {
                    return Ok(sent);
                }
                let arrived = progress.messages.load(Ordering::Acquire);
                let under_way = ((sent + batch as u64) * fan_out).saturating_sub(arrived + written_off);
                if under_way <= window as u64 {
                    break;
                }
                if arrived != last.0 {
                    last = (arrived, now_ns());
                } else if now_ns() - last.1 > WRITE_OFF.as_nanos() as u64 {
                    written_off = (sent * fan_out).saturating_sub(arrived);
                }
                progress.publisher_waits.store(true, Ordering::Release);
                std::thread::park_timeout(Duration::from_millis(1));
            }
            connection.write_all(bytes)?;
            sent += batch as u64;
        }
    }
}

/// QoS 1: sends as many as the window has room for in one write, then takes what acknowledgements there are.
fn publish_acknowledged(
    connections: &mut [TcpStream],
    traffic: &Traffic,
    window: usize,
    progress: &Progress,
) -> io::Result<u64> {
    let Some(connection) = connections.first_mut() else { return Ok(0) };
    connection.set_read_timeout(Some(Duration::from_millis(100)))?;
    let topic_bytes = traffic.topic(0).len();
    let template = traffic.message(0, 0).packet;
    let mut batch = template.repeat(window);
    let mut answers = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let (mut sent, mut acknowledged, mut packet_id) = (0_u64, 0_u64, 0_u16);
    while !progress.publisher_stop.load(Ordering::Relaxed) {
        let room = window - usize::try_from(sent - acknowledged).unwrap_or(window).min(window);
        for packet in batch.chunks_exact_mut(template.len()).take(room) {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            set_packet_id(packet, topic_bytes, packet_id);
        }
        connection.write_all(batch.get(..room * template.len()).unwrap_or_default())?;
        sent += room as u64;
        sleep(GATHER);
        match connection.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
            Ok(length) => answers.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        acknowledged += take_acknowledgements(&mut answers);
    }
    Ok(sent)
}

/// Each message at its time, in a write of its own.
fn publish_paced(connections: &mut [TcpStream], traffic: &Traffic, rate: u64, progress: &Progress) -> io::Result<u64> {
    let Some(connection) = connections.first_mut() else { return Ok(0) };
    connection.set_nonblocking(true)?;
    let topic_bytes = traffic.topic(0).len();
    let mut messages = [traffic.message(0, 0), traffic.message(0, 1)];
    let mut answers = [0; 4096];
    let start = now_ns();
    let (mut sent, mut packet_id) = (0_u64, 0_u16);
    while !progress.publisher_stop.load(Ordering::Relaxed) {
        sleep_until(start + sent * 1_000_000_000 / rate);
        messages.reverse();
        let [message, _] = &mut messages;
        if traffic.qos > 0 {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            set_packet_id(&mut message.packet, topic_bytes, packet_id);
        }
        message.stamp(now_ns());
        write_whole(connection, &message.packet)?;
        sent += 1;
        // Acknowledgements are only taken out of the socket, and not at every message.
        if traffic.qos > 0 && sent.is_multiple_of(32) {
            while connection.read(&mut answers).is_ok_and(|length| length == answers.len()) {}
        }
    }
    Ok(sent)
}

/// Writes to a non-blocking connection, waiting where it must.
fn write_whole(connection: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match connection.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Counts the whole PUBACKs in `answers` and takes them out.
fn take_acknowledgements(answers: &mut Vec<u8>) -> u64 {
    let mut count = 0;
    let mut rest = answers.as_slice();
    while let Some((frame, after)) = split_first(rest) {
        count += u64::from(frame.acknowledged().is_some());
        rest = after;
    }
    let parsed = answers.len() - rest.len();
    answers.drain(..parsed);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_counted_and_a_cut_off_one_waits() {
        let mut answers = vec![0x40, 2, 0, 1, 0xD0, 0, 0x40, 2, 0, 2, 0x40, 2];
        assert_eq!(take_acknowledgements(&mut answers), 2);
        assert_eq!(answers, [0x40, 2]);
    }
}
