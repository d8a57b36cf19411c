//! A client for MQTT over WebSocket that leaves every choice to the test.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::harness::{DEADLINE, packets};

/// One open WebSocket; reading from it gives the bytes of its binary messages.
pub(crate) struct WebSocketClient {
    socket: WebSocket<TcpStream>,
    unread: Vec<u8>,
}

impl WebSocketClient {
    /// Opens one as programs do, without an origin.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::open_as(address, "127.0.0.1", None).expect("a program may connect")
    }

    /// Opens one under a host name and, as browsers do, with an origin; gives the status of a refusal.
    pub(crate) fn open_as(address: SocketAddr, host: &str, origin: Option<&str>) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request = format!("ws://{host}:{}/mqtt", address.port()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "mqtt".parse().unwrap());
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket, unread: Vec::new() }),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens one and connects with a clean start.
    pub(crate) fn connected(address: SocketAddr, client_id: &str) -> Self {
        let mut client = Self::open(address);
        client.send(Message::Binary(packets::connect(client_id).into()));
        assert_eq!(packets::read_packet(&mut client).unwrap().0, 0x20);
        client
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.send(Message::Binary(packets::subscribe(filter, 0).into()));
        assert_eq!(packets::read_packet(self).unwrap().0, 0x90);
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// Sends one binary message in several frames.
    pub(crate) fn send_in_fragments(&mut self, parts: &[&[u8]]) {
        for (place, part) in parts.iter().enumerate() {
            let kind = if place == 0 { Data::Binary } else { Data::Continue };
            let is_last = place + 1 == parts.len();
            let frame = Frame::message(part.to_vec(), OpCode::Data(kind), is_last);
            self.send(Message::Frame(frame));
        }
    }

    /// Sends bytes as they are, past the rules of WebSocket.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).unwrap();
    }

    /// The next message, of whatever kind.
    pub(crate) fn next(&mut self) -> Message {
        self.socket.read().unwrap()
    }

    /// Checks that the node closes the connection now.
    pub(crate) fn assert_ended(&mut self) {
        match self.socket.read() {
            Err(Error::ConnectionClosed) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The code of a close message; `None` when it says none.
pub(crate) fn close_code(message: &Message) -> Option<u16> {
    match message {
        Message::Close(frame) => frame.as_ref().map(|frame| frame.code.into()),
        other => panic!("{other:?}"),
    }
}

impl Read for WebSocketClient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match self.socket.read().map_err(io::Error::other)? {
                Message::Binary(bytes) => self.unread = bytes.to_vec(),
                Message::Close(_) => return Ok(0),
                other => panic!("{other:?}"),
            }
        }
        let bytes = buffer.len().min(self.unread.len());
        buffer[..bytes].copy_from_slice(&self.unread[..bytes]);
        self.unread.drain(..bytes);
        Ok(bytes)
    }
}
