//! A simulated MQTT client that behaves as the specification wants: it keeps its side of the session, repeats what was
//! not acknowledged, and takes no QoS 2 message twice. It knows nothing of the node but its bytes.

mod aliases;
mod receive;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use message::{Moment, QoS, TopicName};
use mqtt::packet::{
    Ack, Connect, ConnectProperties, Disconnect, DisconnectProperties, Publish, Subscribe, SubscribeFilter,
    SubscribeOptions, SubscribeProperties, Unsubscribe, UnsubscribeProperties,
};
use mqtt::{Packet, ReasonCode, Version, Will};

use aliases::{InboundAliases, OutboundAliases};
pub(crate) use receive::Seen;

/// What a device is like.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceOptions {
    /// Its client identifier.
    pub id: String,
    pub version: Version,
    /// Asks for a new session each time it connects.
    pub clean_start: bool,
    /// Seconds that its session shall outlive a connection; 3.1.1 knows only 0 (clean) and `u32::MAX`.
    pub session_expiry_s: u32,
    /// Seconds; 0 turns keep alive off.
    pub keep_alive_s: u16,
    /// Unacknowledged messages that it takes, and that it sends if the node takes as many.
    pub receive_max: u16,
    /// Topic aliases that it takes.
    pub topic_alias_max: u16,
    /// The packet identifier that it begins with.
    pub first_packet_id: u16,
    /// Of the messages that it gets with QoS 1, it refuses each so-manieth; only MQTT 5 has a word for that.
    pub refuses_each: Option<u32>,
}

impl DeviceOptions {
    /// A device whose session is kept for ever.
    pub fn persistent(id: &str, version: Version) -> Self {
        Self {
            id: id.to_owned(),
            version,
            clean_start: false,
            session_expiry_s: u32::MAX,
            keep_alive_s: 0,
            receive_max: 100,
            topic_alias_max: 0,
            first_packet_id: 1,
            refuses_each: None,
        }
    }
}

/// Names one subscription that a device asked for, in the ledger.
pub(crate) type SubscriptionNumber = usize;

/// A message that a device wants to send.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// Its name in the ledger; the payload is this number in decimal digits.
    pub(crate) number: u64,
    pub(crate) topic: TopicName,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

/// A QoS 1 or 2 message that the device has sent and the node has not finished with.
#[derive(Debug)]
struct Flight {
    packet_id: NonZeroU16,
    letter: Letter,
    /// The node has it (PUBREC): only the release is repeated.
    released: bool,
}

#[derive(Debug)]
enum Request {
    Subscribe(SubscriptionNumber),
    Unsubscribe(Vec<SubscriptionNumber>),
}

/// How far the device's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away,
    /// CONNECT is sent.
    Asking,
    Open,
}

#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) options: DeviceOptions,
    phase: Phase,
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
    /// Messages that it may have unacknowledged at the node.
    send_max: usize,
    outbound_aliases: OutboundAliases,
    inbound_aliases: InboundAliases,
    requests: BTreeMap<NonZeroU16, Request>,
    /// The keep alive in force: the device's own, or what the node has set in its place.
    keep_alive_s: u16,
    next_ping: Option<Moment>,
    // What follows outlives connections.
    queue: VecDeque<Letter>,
    in_flight: Vec<Flight>,
    received: BTreeSet<NonZeroU16>,
    next_packet_id: u16,
    /// Messages that came with QoS 1.
    came: u32,
}

impl Device {
    pub(crate) fn new(options: DeviceOptions) -> Self {
        Self {
            phase: Phase::Away,
            input: BytesMut::new(),
            output: BytesMut::new(),
            send_max: 0,
            outbound_aliases: OutboundAliases::default(),
            inbound_aliases: InboundAliases::default(),
            requests: BTreeMap::new(),
            keep_alive_s: options.keep_alive_s,
            next_ping: None,
            queue: VecDeque::new(),
            in_flight: Vec::new(),
            received: BTreeSet::new(),
            next_packet_id: options.first_packet_id,
            came: 0,
            options,
        }
    }

    pub(crate) fn is_away(&self) -> bool {
        self.phase == Phase::Away
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the device is connected and waits for nothing.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_open() && self.queue.is_empty() && self.in_flight.is_empty() && self.requests.is_empty()
    }

    /// Begins a connection.
    pub(crate) fn connect(&mut self, will: Option<Will>) {
        self.phase = Phase::Asking;
        self.input.clear();
        self.output.clear();
        let options = &self.options;
        let v5 = options.version == Version::V5;
        let properties = ConnectProperties {
            session_expiry_s: v5.then_some(options.session_expiry_s),
            receive_max: NonZeroU16::new(options.receive_max).filter(|_| v5),
            topic_alias_max: v5.then_some(options.topic_alias_max),
            ..ConnectProperties::default()
        };
        let connect = Connect {
            version: options.version,
            clean_start: options.clean_start,
            keep_alive_s: options.keep_alive_s,
            properties,
            client_id: ByteString::from(options.id.as_str()),
            will,
            user_name: None,
            password: None,
        };
        self.send(&Packet::Connect(Box::new(connect)));
    }

    /// The connection is gone. What was asked for and not answered is forgotten; messages are not.
    pub(crate) fn lose_connection(&mut self) {
        self.phase = Phase::Away;
        self.requests.clear();
        self.next_ping = None;
        self.input.clear();
        self.output.clear();
    }

    /// Says goodbye. With `session_expiry_s`, changes its mind about its session.
    pub(crate) fn disconnect(&mut self, session_expiry_s: Option<u32>) {
        let properties = DisconnectProperties { session_expiry_s, ..DisconnectProperties::default() };
        let disconnect = Disconnect { reason: ReasonCode::Success, properties };
        self.send(&Packet::Disconnect(Box::new(disconnect)));
    }

    pub(crate) fn publish(&mut self, letter: Letter) {
        self.queue.push_back(letter);
        self.send_queued();
    }

    pub(crate) fn subscribe(&mut self, number: SubscriptionNumber, filter: &str, qos: QoS) {
        let packet_id = self.take_packet_id();
        let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
        self.requests.insert(packet_id, Request::Subscribe(number));
        self.send(&Packet::Subscribe(Subscribe {
            packet_id,
            properties: SubscribeProperties::default(),
            filters: vec![SubscribeFilter { filter: ByteString::from(filter), options }],
        }));
    }

    pub(crate) fn unsubscribe(&mut self, numbers: Vec<SubscriptionNumber>, filter: &str) {
        let packet_id = self.take_packet_id();
        self.requests.insert(packet_id, Request::Unsubscribe(numbers));
        self.send(&Packet::Unsubscribe(Unsubscribe {
            packet_id,
            properties: UnsubscribeProperties::default(),
            filters: vec![ByteString::from(filter)],
        }));
    }

    /// When the device has to say that it is still there.
    pub(crate) fn next_ping(&self) -> Option<Moment> {
        self.next_ping
    }

    pub(crate) fn ping(&mut self, now: Moment) {
        self.send(&Packet::Pingreq);
        self.wind_up(now);
    }

    fn wind_up(&mut self, now: Moment) {
        let span = Duration::from_secs(u64::from(self.keep_alive_s));
        self.next_ping = (!span.is_zero()).then(|| now + span);
    }

    /// Sends what waits, as far as the node takes it.
    fn send_queued(&mut self) {
        while self.is_open() && self.in_flight.len() < self.send_max {
            let Some(letter) = self.queue.pop_front() else { break };
            let packet_id = (letter.qos > QoS::AtMostOnce).then(|| self.take_packet_id());
            self.send_letter(&letter, packet_id, false);
            self.in_flight.extend(packet_id.map(|packet_id| Flight { packet_id, letter, released: false }));
        }
    }

    /// Sends again what an earlier connection left unacknowledged, in the order in which it was sent first.
    fn resend(&mut self) {
        let flights = std::mem::take(&mut self.in_flight);
        for flight in &flights {
            if flight.released {
                self.send(&Packet::Pubrel(Ack::new(flight.packet_id, ReasonCode::Success)));
            } else {
                self.send_letter(&flight.letter, Some(flight.packet_id), true);
            }
        }
        self.in_flight = flights;
    }

    fn send_letter(&mut self, letter: &Letter, packet_id: Option<NonZeroU16>, dup: bool) {
        let (topic_alias, known) = self.outbound_aliases.take(&letter.topic);
        self.send(&Packet::Publish(Publish {
            dup,
            qos: letter.qos,
            retain: letter.retain,
            topic: (!known).then(|| letter.topic.clone()),
            packet_id,
            topic_alias,
            subscription_ids: Vec::new(),
            properties: None,
            payload: Bytes::from(letter.number.to_string()),
        }));
    }

    fn send(&mut self, packet: &Packet) {
        let sent = packet.encode(self.options.version, &mut self.output, usize::MAX);
        assert!(sent.is_ok(), "{}: a packet without a limit is written", self.options.id);
    }

    /// A packet identifier that is not in use.
    fn take_packet_id(&mut self) -> NonZeroU16 {
        loop {
            let candidate = NonZeroU16::new(self.next_packet_id);
            self.next_packet_id = self.next_packet_id.wrapping_add(1);
            let in_use = |id: &NonZeroU16| {
                self.requests.contains_key(id) || self.in_flight.iter().any(|flight| flight.packet_id == *id)
            };
            if let Some(free) = candidate.filter(|id| !in_use(id)) {
                return free;
            }
        }
    }
}
