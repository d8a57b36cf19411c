//! The byte streams that MQTT runs over: TCP, and a WebSocket client of our own (RFC 6455) that sends what it is told
//! to, also what is forbidden.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Bytes,
    Closed,
    /// Nothing came for as long as was waited.
    Silence,
}

/// An ordered stream of bytes to a server and back.
pub(crate) trait Transport: Send {
    /// Sends all of it. A server that has closed already takes nothing, which the next reading tells.
    fn send(&mut self, bytes: &[u8]);

    /// Waits for bytes and appends them to `input`.
    fn receive(&mut self, input: &mut Vec<u8>) -> Outcome;

    /// Closes without a word.
    fn close(&mut self);
}

/// Plain TCP.
pub(crate) struct Tcp(TcpStream);

impl Tcp {
    pub(crate) fn connect(address: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
        Self(stream)
    }
}

impl Transport for Tcp {
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    fn receive(&mut self, input: &mut Vec<u8>) -> Outcome {
        let mut bytes = [0; 16 * 1024];
        match self.0.read(&mut bytes) {
            Ok(0) => Outcome::Closed,
            Ok(count) => {
                input.extend(&bytes[..count]);
                Outcome::Bytes
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Outcome::Silence,
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(input),
            Err(_) => Outcome::Closed,
        }
    }

    fn close(&mut self) {
        // It may be closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The example of RFC 6455, section 1.3: the key of a client and what a server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Frames of a client are masked (section 5.3), with whatever it likes.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// What a frame holds (RFC 6455, section 5.2).
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A WebSocket over TCP; all that is sent is one binary message, unless a frame is sent by itself.
pub(crate) struct WebSocket {
    tcp: Tcp,
    input: Vec<u8>,
    /// The subprotocol that the server chose.
    pub(crate) subprotocol: Option<String>,
}

impl WebSocket {
    /// Opens one, if the server lets it be opened with these subprotocols.
    pub(crate) fn open(address: SocketAddr, patience: Duration, subprotocols: &str) -> Option<Self> {
        let mut tcp = Tcp::connect(address, patience);
        let offer =
            if subprotocols.is_empty() { String::new() } else { format!("Sec-WebSocket-Protocol: {subprotocols}\r\n") };
        tcp.send(
            format!(
                "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
            )
            .as_bytes(),
        );
        let mut input = Vec::new();
        let end = loop {
            if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert_eq!(tcp.receive(&mut input), Outcome::Bytes, "an answer to the request");
        };
        let head: Vec<u8> = input.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let (status, fields) = head.split_once("\r\n").unwrap();
        if !status.starts_with("HTTP/1.1 101 ") {
            return None;
        }
        let field = |wanted: &str| {
            let mut fields = fields.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
        };
        assert_eq!(field("sec-websocket-accept").as_deref(), Some(ACCEPT));
        Some(Self { tcp, input, subprotocol: field("sec-websocket-protocol") })
    }

    /// Sends one frame; `is_last` says that it ends its message.
    pub(crate) fn send_frame(&mut self, opcode: u8, is_last: bool, payload: &[u8]) {
        let mut frame = vec![u8::from(is_last) << 7 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xFFFF => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.tcp.send(&frame);
    }

    /// The first whole frame that has come: what it holds and its payload. A server sends no masked ones.
    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.input.first()?, *self.input.get(1)?);
        assert_eq!((first & 0x70, second & 0x80), (0, 0), "a frame without extensions and without a mask");
        let (length, head) = match second {
            126 => (usize::from(u16::from_be_bytes(self.input.get(2..4)?.try_into().unwrap())), 4),
            127 => (u64::from_be_bytes(self.input.get(2..10)?.try_into().unwrap()) as usize, 10),
            length => (usize::from(length), 2),
        };
        if self.input.len() < head + length {
            return None;
        }
        let payload = self.input.drain(..head + length).skip(head).collect();
        Some((first & 0x0F, payload))
    }
}

impl Transport for WebSocket {
    fn send(&mut self, bytes: &[u8]) {
        self.send_frame(BINARY, true, bytes);
    }

    fn receive(&mut self, input: &mut Vec<u8>) -> Outcome {
        loop {
            match self.take_frame() {
                Some((CONTINUATION | BINARY, payload)) => {
                    input.extend(payload);
                    return Outcome::Bytes;
                }
                Some((PING, payload)) => self.send_frame(PONG, true, &payload),
                Some((PONG, _)) => {}
                Some((CLOSE, payload)) => {
                    self.send_frame(CLOSE, true, &payload);
                    return Outcome::Closed;
                }
                Some((opcode, _)) => panic!("the server sent MQTT in a frame with the opcode {opcode}"),
                None => match self.tcp.receive(&mut self.input) {
                    Outcome::Bytes => {}
                    ended => return ended,
                },
            }
        }
    }

    fn close(&mut self) {
        self.tcp.close();
    }
}
