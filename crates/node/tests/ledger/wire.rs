//! A connection that may be cut at any byte: whatever goes wrong with it is the end of it, and nothing else.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::harness::DEADLINE;
use crate::harness::packets::{connect_with, packet, text};

pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const PUBREC: u8 = 5;
pub(crate) const PUBREL: u8 = 6;
pub(crate) const PUBCOMP: u8 = 7;

/// An MQTT 5.0 connection with what was read and not yet taken, and what is to be written.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    /// Taken while something else was waited for.
    ahead: VecDeque<Received>,
    unsent: Vec<u8>,
}

/// A received packet.
#[derive(Debug)]
pub(crate) struct Received {
    first: u8,
    body: Vec<u8>,
}

impl Wire {
    /// Opens a connection with a session that lasts a day. Returns whether the node had it before.
    pub(crate) fn open(address: SocketAddr, client_id: &str) -> io::Result<(Self, bool)> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        let mut wire = Self { stream, read: Vec::new(), ahead: VecDeque::new(), unsent: Vec::new() };
        // Session Expiry Interval 86,400 s, Receive Maximum 60.
        wire.put(&connect_with(client_id, 0, &[0x11, 0, 1, 0x51, 0x80, 0x21, 0, 60], &[]));
        let answer = wire.next()?;
        assert_eq!((answer.first, answer.body[1]), (0x20, 0), "{client_id} is refused: {answer:?}");
        Ok((wire, answer.body[0] == 1))
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        self.put(&packet(0x82, &[vec![0, 1, 0], text(filter), vec![qos]].concat()));
        let mut ahead = VecDeque::new();
        let mut answer = self.next()?;
        // Messages may come before SUBACK.
        while answer.kind() == PUBLISH {
            ahead.push_back(answer);
            answer = self.next()?;
        }
        self.ahead = ahead;
        assert_eq!((answer.first, answer.body.last()), (0x90, Some(&qos)), "{filter}: {answer:?}");
        Ok(())
    }

    /// Writes a packet with the next read, or [`flush`](Self::flush).
    pub(crate) fn put(&mut self, packet: &[u8]) {
        self.unsent.extend_from_slice(packet);
    }

    pub(crate) fn put_publish(&mut self, topic: &str, qos: u8, packet_id: u16, again: bool, number: u64) {
        let properties = [0];
        let payload = number.to_string();
        let parts = [&text(topic)[..], &packet_id.to_be_bytes(), &properties, payload.as_bytes()];
        self.put(&packet(0x30 | u8::from(again) << 3 | qos << 1, &parts.concat()));
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub(crate) fn put_step(&mut self, kind: u8, packet_id: u16) {
        let flags = if kind == PUBREL { 2 } else { 0 };
        self.put(&packet(kind << 4 | flags, &packet_id.to_be_bytes()));
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }

    /// A packet that has come already.
    pub(crate) fn next_read(&mut self) -> Option<Received> {
        if let Some(received) = self.ahead.pop_front() {
            return Some(received);
        }
        let (head, length) = head_and_length(&self.read)?;
        let end = head + length;
        if self.read.len() < end {
            return None;
        }
        let received = Received { first: self.read[0], body: self.read[head..end].to_vec() };
        self.read.drain(..end);
        Some(received)
    }

    /// The next packet; what is unsent goes out before it is waited for.
    pub(crate) fn next(&mut self) -> io::Result<Received> {
        loop {
            if let Some(received) = self.next_read() {
                return Ok(received);
            }
            self.flush()?;
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.read.extend_from_slice(&bytes[..count]),
            }
        }
    }
}

/// The length of the fixed header and of what follows it.
fn head_and_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for place in 0..4 {
        let byte = bytes.get(1 + place)?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((2 + place, length));
        }
    }
    panic!("a length of more than four bytes");
}

impl Received {
    pub(crate) fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// The packet id and reason code of an acknowledgement.
    pub(crate) fn step(&self) -> (u16, u8) {
        (u16::from_be_bytes([self.body[0], self.body[1]]), self.body.get(2).copied().unwrap_or(0))
    }

    /// QoS, topic, packet id and number of a PUBLISH above QoS 0.
    pub(crate) fn publish(&self) -> (u8, String, u16, u64) {
        assert_eq!(self.kind(), PUBLISH, "{self:?}");
        let topic_end = 2 + usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let topic = String::from_utf8(self.body[2..topic_end].to_vec()).unwrap();
        let rest = &self.body[topic_end..];
        let payload = &rest[3 + usize::from(rest[2])..];
        let number = std::str::from_utf8(payload).unwrap().parse().unwrap();
        (self.first >> 1 & 3, topic, u16::from_be_bytes([rest[0], rest[1]]), number)
    }
}
