//! A client that sends what a scenario tells it to and reads strictly. What no server may do on any connection fails
//! here: a second CONNACK, anything before the first or after DISCONNECT, a packet or an alias beyond what the client
//! allowed.

use std::collections::{HashMap, VecDeque};

use super::properties::{PACKET_BYTES_MAX, Properties, Property, TOPIC_ALIAS, TOPIC_ALIAS_MAX};
use super::read::{AckKind, Packet, take};
use super::transport::{Outcome, Transport};
use super::write::{Body, Connect, Publish, Version, subscribe, unsubscribe};

/// One connection.
pub(crate) struct Client {
    version: Version,
    transport: Box<dyn Transport>,
    input: Vec<u8>,
    /// Packets that came while another one was waited for.
    early: VecDeque<Packet>,
    next_id: u16,
    packet_bytes_max: usize,
    topic_alias_max: u32,
    aliases: HashMap<u32, String>,
    /// The server is known to close without saying why, which both specifications allow.
    may_be_silent: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// CONNACK has not come.
    Waiting,
    Accepted,
    /// A CONNACK that refuses or a DISCONNECT has come.
    Over,
    Closed,
}

impl Client {
    pub(crate) fn new(version: Version, transport: Box<dyn Transport>, may_be_silent: bool) -> Self {
        Self {
            version,
            transport,
            input: Vec::new(),
            early: VecDeque::new(),
            next_id: 1,
            packet_bytes_max: usize::MAX,
            topic_alias_max: 0,
            aliases: HashMap::new(),
            may_be_silent,
            state: State::Waiting,
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.transport.send(bytes);
    }

    /// Notes what a CONNECT allows the server, and sends it.
    pub(crate) fn send_connect(&mut self, connect: &Connect) {
        self.packet_bytes_max = connect.properties.get_number(PACKET_BYTES_MAX).map_or(usize::MAX, |max| max as usize);
        self.topic_alias_max = connect.properties.get_number(TOPIC_ALIAS_MAX).unwrap_or(0);
        self.send(&connect.bytes());
    }

    /// Closes the transport without a word, as when the network fails.
    pub(crate) fn vanish(mut self) {
        self.transport.close();
    }

    /// Ends the connection in order, and waits until the server has seen it.
    pub(crate) fn leave(mut self) {
        self.send(&[0xE0, 0]);
        self.expect_closed();
    }

    /// The next packet; `None` when the server has closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Packet> {
        match self.early.pop_front() {
            Some(packet) => Some(packet),
            None => self.receive_new(),
        }
    }

    fn receive_new(&mut self) -> Option<Packet> {
        loop {
            if let Some((packet, bytes)) = take(self.version, &mut self.input) {
                assert!(bytes <= self.packet_bytes_max, "{packet:?} has {bytes} bytes, more than the client takes");
                return Some(self.note(packet));
            }
            if self.state == State::Closed {
                return None;
            }
            match self.transport.receive(&mut self.input) {
                Outcome::Bytes => {}
                Outcome::Silence => panic!("the server sent nothing more"),
                Outcome::Closed => {
                    assert!(self.input.is_empty(), "the server closed within a packet: {:02x?}", self.input);
                    self.state = State::Closed;
                }
            }
        }
    }

    fn note(&mut self, mut packet: Packet) -> Packet {
        let is_connack = matches!(packet, Packet::Connack { .. });
        match self.state {
            State::Waiting => assert!(is_connack, "the server sent {packet:?} before CONNACK"),
            State::Accepted => assert!(!is_connack, "the server sent a second CONNACK: {packet:?}"),
            State::Over | State::Closed => panic!("the server sent {packet:?} after the end"),
        }
        match &mut packet {
            Packet::Connack { code: 0, .. } => self.state = State::Accepted,
            Packet::Connack { .. } | Packet::Disconnect { .. } => self.state = State::Over,
            Packet::Publish(publish) => self.resolve_alias(publish),
            _ => {}
        }
        packet
    }

    fn resolve_alias(&mut self, publish: &mut Publish) {
        let Some(alias) = publish.properties.get_number(TOPIC_ALIAS) else {
            return assert!(!publish.topic.is_empty(), "the server sent a message without topic and alias");
        };
        assert!((1..=self.topic_alias_max).contains(&alias), "the server used the topic alias {alias}");
        if publish.topic.is_empty() {
            publish.topic = self.aliases.get(&alias).expect("an alias that was introduced").clone();
        } else {
            self.aliases.insert(alias, publish.topic.clone());
        }
    }

    /// The next packet, which has to come.
    pub(crate) fn next(&mut self) -> Packet {
        self.receive().expect("the server closed the connection")
    }

    pub(crate) fn expect_closed(&mut self) {
        let packet = self.receive();
        assert_eq!(packet, None, "instead of the end");
    }

    /// A DISCONNECT with this reason, then the end; 3.1.1 only ends.
    pub(crate) fn expect_disconnect(&mut self, expected: u8) {
        if self.version.is_5() {
            match self.receive() {
                Some(Packet::Disconnect { code, .. }) => {
                    assert_eq!(code, expected, "DISCONNECT says {code:#04x} instead of {expected:#04x}");
                }
                None if self.may_be_silent => {}
                other => panic!("{other:?} instead of DISCONNECT {expected:#04x}"),
            }
        }
        self.expect_closed();
    }

    /// A CONNACK that refuses, then the end. 3.1.1 gets none where its table has no code for it.
    pub(crate) fn expect_refusal(&mut self, expected: u8, expected_3: Option<u8>) {
        let expected = if self.version.is_5() { Some(expected) } else { expected_3 };
        if let Some(expected) = expected {
            match self.receive() {
                Some(Packet::Connack { session_present, code, .. }) => {
                    assert_eq!(code, expected, "CONNACK says {code:#04x} instead of {expected:#04x}");
                    assert!(!session_present, "a refusal speaks of a session");
                }
                None if self.may_be_silent => {}
                other => panic!("{other:?} instead of CONNACK {expected:#04x}"),
            }
        }
        self.expect_closed();
    }

    /// CONNACK's "session present" and properties; the client has to be accepted.
    pub(crate) fn expect_connack(&mut self) -> (bool, Vec<Property>) {
        match self.next() {
            Packet::Connack { session_present, code: 0, properties } => (session_present, properties),
            other => panic!("{other:?} instead of acceptance"),
        }
    }

    /// Waits for a packet that answers; what comes before it is kept for later.
    fn await_answer<T>(&mut self, what: &str, answer: impl Fn(&Packet) -> Option<T>) -> T {
        let mut early = VecDeque::new();
        loop {
            let Some(packet) = self.receive_new() else { panic!("the connection was closed instead of {what}") };
            match answer(&packet) {
                Some(found) => {
                    self.early.append(&mut early);
                    return found;
                }
                None => early.push_back(packet),
            }
        }
    }

    /// A packet identifier that was not used on this connection.
    pub(crate) fn new_id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Subscribes and gives the codes of SUBACK.
    pub(crate) fn subscribe_all(&mut self, properties: &[Property], filters: &[(&str, u8)]) -> Vec<u8> {
        let id = self.new_id();
        self.send(&subscribe(self.version, id, properties, filters));
        self.await_suback(id)
    }

    pub(crate) fn await_suback(&mut self, id: u16) -> Vec<u8> {
        self.await_answer("SUBACK", |packet| match packet {
            Packet::Suback { id: answered, codes, .. } if *answered == id => Some(codes.clone()),
            _ => None,
        })
    }

    /// Subscribes to one filter, which has to be granted as asked.
    pub(crate) fn subscribe(&mut self, filter: &str, options: u8) {
        let codes = self.subscribe_all(&[], &[(filter, options)]);
        assert_eq!(codes, [options & 3], "the codes of SUBACK for `{filter}`");
    }

    /// Unsubscribes and gives the codes of UNSUBACK: none in 3.1.1.
    pub(crate) fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let id = self.new_id();
        self.send(&unsubscribe(self.version, id, filters));
        self.await_answer("UNSUBACK", |packet| match packet {
            Packet::Unsuback { id: answered, codes, .. } if *answered == id => Some(codes.clone()),
            _ => None,
        })
    }

    /// Publishes and goes through the whole handshake; gives the code of PUBACK or PUBREC. At QoS 0 a ping tells that
    /// the server has read it.
    pub(crate) fn publish(&mut self, publish: &Publish) -> u8 {
        let id = if publish.id > 0 || publish.qos == 0 { publish.id } else { self.new_id() };
        self.send(&publish.clone().id(id).bytes(self.version));
        match publish.qos {
            0 => {
                self.send(&[0xC0, 0]);
                self.await_answer("PINGRESP", |packet| (*packet == Packet::Pingresp).then_some(0))
            }
            1 => self.await_ack(AckKind::Puback, id),
            _ => {
                let code = self.await_ack(AckKind::Pubrec, id);
                if code < 0x80 {
                    self.send_ack(AckKind::Pubrel, id);
                    assert_eq!(self.await_ack(AckKind::Pubcomp, id), 0, "the code of PUBCOMP");
                }
                code
            }
        }
    }

    /// The code of the acknowledgement, once it has come.
    pub(crate) fn await_ack(&mut self, kind: AckKind, id: u16) -> u8 {
        self.await_answer(&format!("{kind:?} {id}"), |packet| match packet {
            Packet::Ack { kind: known, id: answered, code, .. } if *known == kind && *answered == id => Some(*code),
            _ => None,
        })
    }

    /// Sends an acknowledgement without reason and properties.
    pub(crate) fn send_ack(&mut self, kind: AckKind, id: u16) {
        self.send(&Body::new().u16(id).packet(first_byte(kind)));
    }

    pub(crate) fn send_ack_code(&mut self, kind: AckKind, id: u16, code: u8) {
        self.send(&Body::new().u16(id).u8(code).packet(first_byte(kind)));
    }

    /// The next packet, which has to be a message. It is not acknowledged.
    pub(crate) fn expect_publish(&mut self) -> Publish {
        match self.next() {
            Packet::Publish(publish) => publish,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// The next packet, which has to be this acknowledgement; gives its code.
    pub(crate) fn expect_ack(&mut self, expected: AckKind, expected_id: u16) -> u8 {
        match self.next() {
            Packet::Ack { kind, id, code, .. } if kind == expected && id == expected_id => code,
            other => panic!("{other:?} instead of {expected:?} {expected_id}"),
        }
    }

    /// The next packet, which has to be a message; it is acknowledged to the end.
    pub(crate) fn take(&mut self) -> Publish {
        let publish = self.expect_publish();
        self.acknowledge(&publish);
        publish
    }

    pub(crate) fn acknowledge(&mut self, publish: &Publish) {
        match publish.qos {
            0 => {}
            1 => self.send_ack(AckKind::Puback, publish.id),
            _ => {
                self.send_ack(AckKind::Pubrec, publish.id);
                self.await_ack(AckKind::Pubrel, publish.id);
                self.send_ack(AckKind::Pubcomp, publish.id);
            }
        }
    }

    /// The payload of the next message, which is acknowledged.
    pub(crate) fn take_text(&mut self) -> String {
        self.take().text()
    }

    /// Pings, and finds the server alive; nothing else may come before the answer.
    pub(crate) fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        let packet = self.next();
        assert_eq!(packet, Packet::Pingresp);
    }
}

fn first_byte(kind: AckKind) -> u8 {
    let flags = if kind == AckKind::Pubrel { 2 } else { 0 };
    (kind as u8) << 4 | flags
}
