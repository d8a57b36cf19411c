//! The subscribing side: one thread reads all subscribers' connections, counts what arrives, acknowledges it at QoS 1
//! and notes latencies.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::clock::{now_ns, sleep};
use crate::frames::{puback, split_first};
use crate::stopped::Stopped;
use crate::traffic::sent_ns;

/// While no latency is measured, the receiver lets messages gather for so long: waking for each of them would cost as
/// much as the broker's own work and take it the core.
const GATHER: Duration = Duration::from_micros(200);

/// What the receiving thread tells the others while it runs.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) messages: AtomicU64,
    /// Ends the publisher. What it sent may still arrive.
    pub(crate) publisher_stop: AtomicBool,
    /// Ends the receiver.
    pub(crate) receiver_stop: AtomicBool,
    /// Messages sent at this time or later are measured.
    pub(crate) measured_from_ns: AtomicU64,
    /// Whether arrivals may be read late, in larger pieces.
    pub(crate) gather: AtomicBool,
    /// Whether the publisher sleeps until more has arrived.
    pub(crate) publisher_waits: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    thread: JoinHandle<io::Result<Measured>>,
}

/// What is known of the messages that were measured, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) latencies_ns: Vec<u64>,
    /// When each was sent: no two at the same time.
    pub(crate) sent_ns: Vec<u64>,
}

impl Receiver {
    /// Starts to read the subscribed connections. `publisher` is woken when it waits.
    pub(crate) fn start(connections: Vec<TcpStream>, progress: Arc<Progress>, publisher: Thread) -> Self {
        Self { thread: std::thread::spawn(move || receive(connections, &progress, &publisher)) }
    }

    /// What was measured, once `Progress::receiver_stop` is set.
    pub(crate) fn join(self) -> Result<Measured, Stopped> {
        Ok(self.thread.join().map_err(|_| Stopped::Panicked)??)
    }
}

/// One subscriber's connection with what was read and not yet parsed, and what could not be written yet.
struct Subscriber {
    stream: mio::net::TcpStream,
    unparsed: Vec<u8>,
    unsent: Vec<u8>,
}

fn receive(connections: Vec<TcpStream>, progress: &Progress, publisher: &Thread) -> io::Result<Measured> {
    let mut poll = Poll::new()?;
    let mut subscribers = Vec::new();
    for (index, stream) in connections.into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
        subscribers.push(Subscriber { stream, unparsed: Vec::new(), unsent: Vec::new() });
    }
    let mut events = Events::with_capacity(64);
    let mut buffer = vec![0; 256 * 1024];
    let mut measured = Measured::default();
    while !progress.receiver_stop.load(Ordering::Relaxed) {
        match poll.poll(&mut events, Some(Duration::from_millis(50))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if let Some(subscriber) = subscribers.get_mut(event.token().0) {
                let count = subscriber.read(&mut buffer, progress, &mut measured)?;
                progress.messages.fetch_add(count, Ordering::Release);
            }
        }
        if progress.publisher_waits.swap(false, Ordering::AcqRel) {
            publisher.unpark();
        }
        if progress.gather.load(Ordering::Relaxed) {
            sleep(GATHER);
        }
    }
    Ok(measured)
}

impl Subscriber {
    /// Reads until the connection has no more, and returns how many messages came.
    fn read(&mut self, buffer: &mut [u8], progress: &Progress, measured: &mut Measured) -> io::Result<u64> {
        let mut count = 0;
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let from_ns = progress.measured_from_ns.load(Ordering::Relaxed);
            let now = if from_ns < u64::MAX { now_ns() } else { 0 };
            self.unparsed.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let mut rest = self.unparsed.as_slice();
            while let Some((frame, after)) = split_first(rest) {
                rest = after;
                if !frame.is_publish() {
                    continue;
                }
                count += 1;
                if let Some(id) = frame.packet_id() {
                    self.unsent.extend(puback(id));
                }
                if now > 0
                    && let Some(sent) = frame.payload().and_then(sent_ns).filter(|sent| *sent >= from_ns)
                {
                    measured.latencies_ns.push(now.saturating_sub(sent));
                    measured.sent_ns.push(sent);
                }
            }
            let parsed = self.unparsed.len() - rest.len();
            self.unparsed.drain(..parsed);
            self.acknowledge()?;
            // A short read has emptied the socket: asking again would cost a call for nothing.
            if length < buffer.len() {
                break;
            }
        }
        Ok(count)
    }

    fn acknowledge(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
