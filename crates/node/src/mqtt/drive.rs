//! Moves a client's bytes between its transport and its machine, on one task.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use message::{Moment, Now};
use mqtt::ReasonCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;

use super::listener::Seat;
use super::{Client, Mqtt, Phase};
use crate::clock;

/// What a connection reads at once when it was idle.
const READ_BYTES_MIN: usize = 2 * 1024;
/// What a busy one reads at once: some hundred small messages share one buffer.
const READ_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to read that the node shuts down.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// How long, and how much, a client may still send after the node has ended the connection.
const LINGER_MAX: Duration = Duration::from_secs(5);
const LINGER_READ_BYTES: usize = 4096;
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rounds of reading and writing before other tasks get their turn.
const ROUNDS_MAX: usize = 16;

/// When a client connected, from where, which thread serves it, and its place among all.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at: Now,
    pub(super) from: SocketAddr,
    pub(super) thread: usize,
    pub(super) seat: Seat,
}

/// One connection at work.
struct Drive<T> {
    client: Client,
    transport: T,
    input: BytesMut,
    read_bytes: usize,
    timer: Option<(Moment, Pin<Box<Sleep>>)>,
    /// The transport holds bytes that it took and has not sent.
    unflushed: bool,
    transport_broke: bool,
    /// Kept until the connection has ended.
    _seat: Seat,
}

/// Serves one connection until it ends, or until the node does: then the client is told so once it has all that it gets.
pub(super) fn drive<T>(
    mqtt: Arc<Mqtt>,
    transport: T,
    arrival: Arrival,
    mut phases: watch::Receiver<Phase>,
) -> impl Future<Output = ()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    // Made outside of the future, which holds what it is given beside what it makes: a node has thousands of them.
    let mut drive = Drive {
        client: Client::new(mqtt, arrival.at).connected_from(arrival.from).served_by(arrival.thread),
        transport,
        input: BytesMut::new(),
        read_bytes: READ_BYTES_MIN,
        timer: None,
        unflushed: false,
        transport_broke: false,
        _seat: arrival.seat,
    };
    async move {
        let node_stops = drive.is_served_until(Phase::Draining, &mut phases).await;
        // In a box of its own, so that nobody holds what only the end needs.
        Box::pin(drive.end(node_stops, phases)).await;
    }
}

/// Reads what the client still sends, until it closes too. If the transport were closed with bytes unread, the system
/// would reset it, and the client might never read the packet that says why it was disconnected.
async fn discard<T: AsyncRead + Unpin>(transport: &mut T) {
    let mut unread = vec![0; LINGER_READ_BYTES];
    let mut left = LINGER_BYTES_MAX;
    while left > 0 {
        match transport.read(&mut unread).await {
            Ok(bytes) if bytes > 0 => left = left.saturating_sub(bytes),
            _ => return,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Drive<T> {
    /// Serves the client until the node is in `phase`; false when the connection has ended before.
    async fn is_served_until(&mut self, phase: Phase, phases: &mut watch::Receiver<Phase>) -> bool {
        let mut reached = pin!(phase.reached(phases));
        poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => reached.as_mut().poll(cx).map(|()| true),
        })
        .await
    }

    /// Lets the client go: at once, or with all that it gets when the node stops.
    async fn end(mut self, node_stops: bool, mut phases: watch::Receiver<Phase>) {
        if node_stops {
            self.client.take_no_more();
            if self.is_served_until(Phase::Closing, &mut phases).await {
                // A client that does not take what is left for it is not waited for.
                let _ = tokio::time::timeout(LAST_WORDS_MAX, poll_fn(|cx| self.poll_delivered(cx))).await;
                self.client.close(clock::now(), ReasonCode::ServerShuttingDown);
                let _ = tokio::time::timeout(LAST_WORDS_MAX, poll_fn(|cx| self.poll(cx))).await;
            }
        }
        let Self { client, mut transport, .. } = self;
        client.leave(clock::now());
        let shut_down = tokio::time::timeout(LAST_WORDS_MAX, poll_fn(|cx| Pin::new(&mut transport).poll_shutdown(cx)));
        let was_shut_down = matches!(shut_down.await, Ok(Ok(())));
        // A node that stops lingers for nobody.
        let stays = *phases.borrow() == Phase::Serving;
        if was_shut_down && stays {
            let _ = tokio::time::timeout(LINGER_MAX, discard(&mut transport)).await;
        }
    }

    /// Ready when the client has acknowledged all that the broker has for it, or has gone.
    fn poll_delivered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll(cx).is_pending() && self.client.awaits_deliveries() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Ready when the connection has ended and its last bytes are sent.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS_MAX {
            let was_held_up = !self.client.wants_bytes();
            let read = self.poll_read(cx);
            self.client.poll(clock::now(), cx.waker());
            // Packets that waited for the broker's answer may go on now. What is left of them may go on again at once.
            let before = self.input.len();
            if before > 0 && self.client.wants_bytes() {
                let now = clock::now();
                self.client.handle_bytes(now, &mut self.input);
                self.client.poll(now, cx.waker());
            }
            let handled = self.input.len() != before;
            let written = self.poll_write(cx);
            let all_is_sent = self.client.transmit().is_empty() && !self.unflushed;
            if self.client.is_closed() && (self.transport_broke || all_is_sent) {
                return Poll::Ready(());
            }
            let timed = self.poll_timer(cx);
            // The transport was not asked for more, which it is to be now.
            let goes_on = was_held_up && self.client.wants_bytes();
            if !(read || handled || written || timed || goes_on) {
                self.client.rest();
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once, if the client may be read. Returns whether anything came.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.transport_broke || !self.client.wants_bytes() {
            return false;
        }
        self.input.reserve(self.read_bytes);
        match poll_read_buf(Pin::new(&mut self.transport), cx, &mut self.input) {
            Poll::Pending => {
                if self.input.is_empty() {
                    // An idle connection holds no buffer: most of a node's connections are idle most of the time.
                    self.read_bytes = READ_BYTES_MIN;
                    self.input = BytesMut::new();
                }
                false
            }
            Poll::Ready(Ok(read)) if read > 0 => {
                if read >= self.read_bytes {
                    self.read_bytes = (self.read_bytes * 4).min(READ_BYTES_MAX);
                }
                self.client.handle_bytes(clock::now(), &mut self.input);
                true
            }
            Poll::Ready(_) => {
                self.transport_broke = true;
                self.client.handle_transport_lost(clock::now());
                true
            }
        }
    }

    /// Writes what there is. Returns whether the transport took anything.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut written = false;
        while !self.client.transmit().is_empty() && !self.transport_broke {
            match Pin::new(&mut self.transport).poll_write(cx, self.client.transmit()) {
                Poll::Pending => break,
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    self.client.transmit().advance(bytes);
                    written = true;
                }
                Poll::Ready(_) => {
                    self.transport_broke = true;
                    self.client.handle_transport_lost(clock::now());
                }
            }
        }
        if (written || self.unflushed) && !self.transport_broke {
            let flushed = Pin::new(&mut self.transport).poll_flush(cx);
            self.unflushed = flushed.is_pending();
            if matches!(flushed, Poll::Ready(Err(_))) {
                self.transport_broke = true;
                self.client.handle_transport_lost(clock::now());
            }
        }
        written
    }

    /// Lets the client's timer fire. It is set again only when it fired or the client's moment came nearer:
    /// every packet moves a keep alive, and a timer that fires early costs less than one that is moved each time.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.client.poll_timeout() else { return false };
        if self.timer.as_ref().is_none_or(|(set, _)| due < *set) {
            self.timer = Some((due, Box::pin(tokio::time::sleep(due.since(clock::now().moment)))));
        }
        let Some((_, sleep)) = &mut self.timer else { return false };
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.timer = None;
        self.client.handle_timeout(clock::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    fn bytes_of<F>(_serve: fn(Arc<Mqtt>, TcpStream, Arrival, watch::Receiver<Phase>) -> F) -> usize {
        size_of::<F>()
    }

    /// Each of thousands of connections holds one of these. What is needed seldom belongs into a box, what only work needs
    /// is given back at rest.
    #[test]
    fn what_serves_a_connection_is_small() {
        let bytes = bytes_of(drive::<TcpStream>);
        println!("the task of a connection is {bytes} bytes");
        assert!(bytes <= 1_344, "the task of a connection has grown to {bytes} bytes");
    }
}
