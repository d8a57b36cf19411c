//! A WebSocket as a stream of bytes: packets may span messages, and several may share one (MQTT 5.0 section 6). Pings are
//! answered underneath; what the specification forbids ends the stream, with a word to the client why.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use message::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What an idle connection holds to read into, and what a busy one reads at once.
const READ_BYTES: usize = 4 * 1024;
/// The largest message that is sent: enough to make its head cheap, little enough to hold in memory twice.
const MESSAGE_SENT_BYTES_MAX: usize = 16 * 1024;
/// What may wait for the socket: one message with its head, and answers to pings.
const UNSENT_BYTES_MAX: usize = 2 * MESSAGE_SENT_BYTES_MAX;

/// One WebSocket, as a stream of bytes. After a violation its end is reported to the reader, and
/// [`poll_shutdown`](AsyncWrite::poll_shutdown) tells the client why.
#[derive(Debug)]
pub(super) struct Transport<S> {
    socket: WebSocketStream<S>,
    /// Of the message that was read last.
    unread: Bytes,
    /// What the client is told at the end.
    closing: Option<CloseFrame>,
    /// The client broke the rules: what it still sends is not understood any more.
    is_broken: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    /// Over a stream that has become a WebSocket; `read` was read from it already.
    pub(super) async fn new(stream: S, read: Bytes, packet_bytes_max: usize) -> Self {
        let message_bytes_max = packet_bytes_max.saturating_add(limits::WEB_SOCKET_MESSAGE_BYTES_SPARE);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(UNSENT_BYTES_MAX)
            .max_frame_size(Some(message_bytes_max))
            .max_message_size(Some(message_bytes_max));
        let socket = WebSocketStream::from_partially_read(stream, read.into(), Role::Server, Some(config)).await;
        let closing = Some(close_frame(CloseCode::Normal, ""));
        Self { socket, unread: Bytes::new(), closing, is_broken: false }
    }

    /// Ends the stream by what the client did wrong, or by an error of the transport.
    fn end_by(&mut self, error: Error) -> io::Result<()> {
        let (code, reason) = match error {
            Error::Capacity(_) => (CloseCode::Size, "the message is too large"),
            Error::Utf8(_) => (CloseCode::Unsupported, "MQTT packets are sent as binary data"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Ok(()),
            Error::Protocol(_) => (CloseCode::Protocol, "this is no WebSocket any more"),
            error => return Err(to_io(error)),
        };
        self.closing = Some(close_frame(code, reason));
        self.is_broken = true;
        Ok(())
    }
}

fn close_frame(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

fn to_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_broken {
            // Nobody wants it, but it must leave the socket: else the system resets it, and the client might never
            // read why.
            return Pin::new(this.socket.get_mut()).poll_read(cx, buffer);
        }
        while this.unread.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => this.unread = bytes,
                // After a close the next turn sends the answer and ends.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    this.closing = Some(close_frame(CloseCode::Unsupported, "MQTT packets are sent as binary data"));
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(this.end_by(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let bytes = buffer.remaining().min(this.unread.len());
        buffer.put_slice(this.unread.get(..bytes).unwrap_or_default());
        this.unread.advance(bytes);
        if this.unread.is_empty() {
            // A small rest may keep a large buffer alive.
            this.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    /// Takes the bytes as one message. They are on their way once [`poll_flush`](AsyncWrite::poll_flush) is ready.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.get_mut().socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(to_io)?;
        let message = bytes.get(..MESSAGE_SENT_BYTES_MAX).unwrap_or(bytes);
        socket.start_send(Message::Binary(Bytes::copy_from_slice(message))).map_err(to_io)?;
        Poll::Ready(Ok(message.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx).map_err(to_io)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(frame) = this.closing.take() {
            // One that the client has closed already needs no word.
            let _ = Pin::new(&mut this.socket).start_send(Message::Close(Some(frame)));
        }
        ready!(Pin::new(&mut this.socket).poll_flush(cx)).map_err(to_io)?;
        // A client whose words are not understood any more cannot be waited for to close in order.
        if this.is_broken { Pin::new(this.socket.get_mut()).poll_shutdown(cx) } else { Poll::Ready(Ok(())) }
    }
}
