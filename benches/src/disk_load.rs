//! Load for what lies on disk: one publisher that notes how long every acknowledgement takes, and one client that comes
//! back for its backlog.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::clock::{now_ns, sleep};
use crate::contender::Running;
use crate::frames::{self, puback, set_packet_id, split_first};
use crate::load::{self, Latency, request};
use crate::stopped::Stopped;
use crate::traffic::Traffic;

/// The client whose session stays, where there is only one.
pub(crate) const ABSENT: &str = "bench-absent";
/// After so long without a packet, none comes any more.
const SILENCE: Duration = Duration::from_secs(10);
/// Packets that are read late are read many at a time: waking for each would take the broker the core.
const GATHER: Duration = Duration::from_micros(200);
const READ_BYTES: usize = 256 * 1024;

/// When a publisher is done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Acknowledged(u64),
}

/// What a publisher saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Option<Latency>,
}

/// What a client saw that took its backlog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drained {
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
    /// The most that was resident at any of the looks taken meanwhile.
    pub(crate) rss_most_kib: u64,
}

/// Makes a session of a client that stays, subscribed at QoS 1, and leaves it.
pub(crate) fn leave_session(port: u16, client_id: &str, filter: &str) -> Result<(), Stopped> {
    let mut stream = connect(port, &frames::connect_lasting(client_id))?;
    request(&mut stream, &frames::subscribe(filter, 1), "the subscription")?;
    stream.write_all(&frames::disconnect())?;
    // The broker closes it once the session is put away.
    let _ = stream.read(&mut [0; 16])?;
    Ok(())
}

/// Publishes at QoS 1 with at most `window` messages not acknowledged, to the topic of the first publisher.
pub(crate) fn publish(port: u16, traffic: &Traffic, window: usize, until: Until) -> Result<Acknowledged, Stopped> {
    publish_as(0, port, traffic, window, until)
}

/// The same, to the topic of one of the publishers.
pub(crate) fn publish_as(
    publisher: usize,
    port: u16,
    traffic: &Traffic,
    window: usize,
    until: Until,
) -> Result<Acknowledged, Stopped> {
    let mut stream = connect(port, &frames::connect("bench-publisher"))?;
    stream.set_read_timeout(Some(SILENCE))?;
    let topic_bytes = traffic.topic(publisher).len();
    let template = traffic.message(publisher, 0).packet;
    let mut batch = template.repeat(window);
    let mut written_ns = vec![0_u64; usize::from(u16::MAX) + 1];
    let (mut latencies_ns, mut unparsed, mut buffer) = (Vec::new(), Vec::new(), vec![0; READ_BYTES]);
    let (mut sent, mut packet_id) = (0_u64, 0_u16);
    let start_ns = now_ns();
    loop {
        let messages = latencies_ns.len() as u64;
        let span_ns = now_ns() - start_ns;
        let done = match until {
            Until::Elapsed(duration) => u128::from(span_ns) >= duration.as_nanos(),
            Until::Acknowledged(count) => messages >= count,
        };
        if done {
            let seconds = span_ns as f64 / 1e9;
            return Ok(Acknowledged { messages, seconds, latency: load::latency(latencies_ns) });
        }
        let left = if let Until::Acknowledged(count) = until { count - sent } else { u64::MAX };
        let room = window - usize::try_from(sent - messages).unwrap_or(window).min(window);
        let room = room.min(usize::try_from(left).unwrap_or(usize::MAX));
        let write_ns = now_ns();
        for packet in batch.chunks_exact_mut(template.len()).take(room) {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            set_packet_id(packet, topic_bytes, packet_id);
            if let Some(at) = written_ns.get_mut(usize::from(packet_id)) {
                *at = write_ns;
            }
        }
        stream.write_all(batch.get(..room * template.len()).unwrap_or_default())?;
        sent += room as u64;
        read_some(&mut stream, &mut buffer, &mut unparsed)?;
        let now = now_ns();
        take_frames(&mut unparsed, |frame| {
            if let Some(id) = frame.acknowledged() {
                let at = written_ns.get(usize::from(u16::from_be_bytes(id))).copied().unwrap_or(now);
                latencies_ns.push(now.saturating_sub(at));
            }
        });
    }
}

/// Comes back to the session and takes `expected` messages, each acknowledged.
pub(crate) fn drain(contender: &Running, expected: u64) -> Result<Drained, Stopped> {
    let start_ns = now_ns();
    let mut stream = connect(contender.port(), &frames::connect_lasting(ABSENT))?;
    stream.set_read_timeout(Some(SILENCE))?;
    let (mut unparsed, mut answers, mut buffer) = (Vec::new(), Vec::new(), vec![0; READ_BYTES]);
    let (mut messages, mut rss_most_kib, mut looked_ns) = (0_u64, 0, 0);
    while messages < expected {
        sleep(GATHER);
        read_some(&mut stream, &mut buffer, &mut unparsed)?;
        take_frames(&mut unparsed, |frame| {
            messages += u64::from(frame.is_publish());
            if frame.is_publish() {
                answers.extend(frame.packet_id().map(puback).unwrap_or_default());
            }
        });
        stream.write_all(&answers)?;
        answers.clear();
        if now_ns() - looked_ns > 20_000_000 {
            looked_ns = now_ns();
            rss_most_kib = rss_most_kib.max(contender.rss_kib()?);
        }
    }
    Ok(Drained { messages, seconds: (now_ns() - start_ns) as f64 / 1e9, rss_most_kib })
}

pub(crate) fn connect(port: u16, packet: &[u8]) -> Result<TcpStream, Stopped> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    request(&mut stream, packet, "the connection")?;
    Ok(stream)
}

fn read_some(stream: &mut TcpStream, buffer: &mut [u8], unparsed: &mut Vec<u8>) -> io::Result<()> {
    let length = stream.read(buffer)?;
    if length == 0 {
        return Err(ErrorKind::ConnectionReset.into());
    }
    unparsed.extend_from_slice(buffer.get(..length).unwrap_or_default());
    Ok(())
}

/// Takes whole packets out of `unparsed`.
fn take_frames(unparsed: &mut Vec<u8>, mut take: impl FnMut(frames::Frame<'_>)) {
    let mut rest = unparsed.as_slice();
    while let Some((frame, after)) = split_first(rest) {
        take(frame);
        rest = after;
    }
    let parsed = unparsed.len() - rest.len();
    unparsed.drain(..parsed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_packets_are_taken_and_a_cut_off_one_waits() {
        let mut unparsed = [puback([0, 7]), puback([1, 2])].concat();
        unparsed.extend([0x40, 2]);
        let mut ids = Vec::new();
        take_frames(&mut unparsed, |frame| ids.extend(frame.acknowledged()));
        assert_eq!(ids, [[0, 7], [1, 2]]);
        assert_eq!(unparsed, [0x40, 2]);
    }
}
