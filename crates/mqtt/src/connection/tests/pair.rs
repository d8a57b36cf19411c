//! A machine and its client, joined by two buffers and one clock.

use std::time::Duration;

use bytes::BytesMut;
use bytestring::ByteString;
use message::{ClientId, Moment, Now, Timestamp};

use crate::connection::{Accept, Closed, Connection, Event, PublishTicket, Settings};
use crate::packet::{Connect, ConnectProperties, Disconnect, Packet, ReasonCode, Version};

pub(super) struct Pair {
    pub(super) connection: Connection,
    pub(super) now: Now,
    pub(super) version: Version,
    /// What the machine has not taken yet.
    pub(super) input: BytesMut,
}

impl Pair {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Now { moment: Moment::default(), wall: Timestamp::from_millis(1_700_000_000_000) };
        let connection = Connection::new(settings, now);
        Self { connection, now, version: Version::V5, input: BytesMut::new() }
    }

    /// A client that is connected, with nothing special about it.
    pub(super) fn open(version: Version) -> Self {
        Self::open_with(Settings::default(), connect(version))
    }

    pub(super) fn open_with(settings: Settings, connect: Connect) -> Self {
        let mut pair = Self::new(settings);
        pair.version = connect.version;
        pair.send(&Packet::Connect(Box::new(connect)));
        pair.accept();
        assert!(matches!(pair.received()[..], [Packet::Connack(_)]));
        pair
    }

    /// Accepts the client that asks, as it asks.
    pub(super) fn accept(&mut self) {
        let Some(Event::Connect(request)) = self.event() else {
            panic!("the client asks to be connected");
        };
        let client_id = request.client_id.unwrap_or_else(|| ClientId::parse("assigned").unwrap());
        self.connection.handle_accepted(self.now, Accept::new_session(client_id));
        self.read();
    }

    pub(super) fn send(&mut self, packet: &Packet) {
        packet.encode(self.version, &mut self.input, usize::MAX).unwrap();
        self.read();
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
    }

    /// Lets the machine read what it wants to.
    pub(super) fn read(&mut self) -> bool {
        self.connection.handle_bytes(self.now, &mut self.input)
    }

    pub(super) fn event(&mut self) -> Option<Event> {
        self.connection.poll_event()
    }

    /// The topic and the ticket of the message that the machine hands on next.
    pub(super) fn published(&mut self) -> (String, Option<PublishTicket>) {
        match self.event() {
            Some(Event::Publish { publication, ticket }) => (publication.topic.to_string(), ticket),
            other => panic!("a message is handed on, not {other:?}"),
        }
    }

    /// The client has released its message: the session notes it at once.
    #[track_caller]
    pub(super) fn note_released(&mut self) {
        match self.event() {
            Some(Event::Released { packet_id }) => self.connection.handle_released(packet_id),
            other => panic!("a message is released, not {other:?}"),
        }
    }

    /// The client has a delivery of QoS 2: the session notes it at once.
    #[track_caller]
    pub(super) fn note_received(&mut self) {
        match self.event() {
            Some(Event::Received { slot }) => self.connection.handle_release(slot),
            other => panic!("a delivery is received, not {other:?}"),
        }
    }

    /// What the client has received since the last call.
    pub(super) fn received(&mut self) -> Vec<Packet> {
        let mut bytes = self.connection.transmit().split();
        let version = self.connection.version();
        let packets =
            std::iter::from_fn(|| Packet::decode(version, &mut bytes, usize::MAX).expect("what is sent can be read"));
        let packets = packets.collect();
        assert!(bytes.is_empty(), "only whole packets are sent");
        packets
    }

    /// The end, after all other events were taken.
    pub(super) fn closed(&mut self) -> Closed {
        match self.event() {
            Some(Event::Closed(closed)) => {
                assert!(self.event().is_none(), "nothing comes after the end");
                assert!(self.connection.is_closed());
                closed
            }
            other => panic!("the connection has ended, not {other:?}"),
        }
    }

    /// The reason of the DISCONNECT that the client received last, if it is the only packet.
    pub(super) fn disconnect_reason(&mut self) -> ReasonCode {
        match &self.received()[..] {
            [Packet::Disconnect(disconnect)] => disconnect.reason,
            other => panic!("the client is told the end, not {other:?}"),
        }
    }

    /// The client broke the protocol: 5.0 tells it the reason, 3.1.1 just ends.
    #[track_caller]
    pub(super) fn assert_ended(&mut self, reason: ReasonCode) {
        match self.version {
            Version::V5 => assert_eq!(self.disconnect_reason(), reason),
            Version::V3_1_1 => assert_eq!(self.received(), []),
        }
        assert!(self.closed().will_wanted);
    }

    pub(super) fn advance(&mut self, span: Duration) {
        self.now.moment = self.now.moment + span;
        self.now.wall = self.now.wall.saturating_add(span);
        self.connection.handle_timeout(self.now);
    }
}

pub(super) fn connect(version: Version) -> Connect {
    Connect {
        version,
        clean_start: true,
        keep_alive_s: 60,
        properties: ConnectProperties::default(),
        client_id: ByteString::from_static("plc-1"),
        will: None,
        user_name: None,
        password: None,
    }
}

pub(super) fn disconnect(reason: ReasonCode) -> Packet {
    Packet::Disconnect(Box::new(Disconnect::new(reason)))
}
