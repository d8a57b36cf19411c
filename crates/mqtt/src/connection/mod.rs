//! The server's side of one MQTT connection, without a socket, a clock or a thread: bytes and the broker's answers in,
//! events and bytes out. One file for each part of its state.

mod closing;
mod deliveries;
mod event;
mod handshake;
mod keep_alive;
mod publishes;
mod settings;
mod subscriptions;
mod timer;
mod topic_alias;
mod topic_memory;
mod traffic;
mod transmit;
mod violation;

#[cfg(test)]
mod tests;

pub use deliveries::{Delivery, DeliveryOutcome};
pub use event::{
    CloseCause, Closed, ConnectRequest, Event, PublishTicket, RequestedFilter, SubscribeRequest, SubscribeTicket,
    UnsubscribeRequest, UnsubscribeTicket,
};
pub use handshake::Accept;
pub use publishes::ReceivedIds;
pub use settings::Settings;
use traffic::Traffic;
pub use traffic::{DirectionFigures, TrafficFigures, TrafficTotals};
pub use violation::Violation;

use std::collections::VecDeque;

use bytes::BytesMut;
use message::{ClientId, Moment, Now, limits};

use crate::packet::{Body, FixedHeader, Packet, PacketType, Version, split_body};
use deliveries::Deliveries;
use handshake::Phase;
use keep_alive::KeepAlive;
use publishes::Publishes;
use timer::Timer;
use transmit::Peer;

/// One connection of a client, as a machine.
///
/// # Contract
///
/// The driver owns the transport, the read buffer and the clock. It
///
/// 1. reads into its buffer and calls [`handle_bytes`](Self::handle_bytes), which takes whole packets out of it and
///    leaves the rest;
/// 2. takes every event with [`poll_event`](Self::poll_event) and acts on it, answering at once or later with the
///    `handle_*` call that the event names;
/// 3. writes what stands in [`transmit`](Self::transmit) and advances it past what the transport took;
/// 4. calls `handle_bytes` again without reading if it returned `true`: there may be more whole packets. While
///    [`wants_bytes`](Self::wants_bytes) is `false` the machine waits for the driver (for an answer, for events to be
///    taken, for bytes to be written), and the transport need not be read: the peer feels that as backpressure;
/// 5. calls [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) has come; the moment may
///    change with every other call;
/// 6. after [`Event::Closed`] writes what is left to transmit and closes the transport. Every call is allowed
///    afterwards and does nothing.
///
/// Every call but the getters may make events, bytes to transmit, or both. No call blocks, and none fails: what the
/// client does wrong ends in `Event::Closed` with the reason, after the packet that tells the client.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    phase: Phase,
    peer: Peer,
    keep_alive: KeepAlive,
    publishes: Publishes,
    deliveries: Deliveries,
    /// SUBSCRIBE and UNSUBSCRIBE that wait for their answer.
    requests_pending: usize,
    events: VecDeque<Event>,
    out: BytesMut,
    traffic: Traffic,
}

impl Connection {
    /// A connection whose transport has just been opened.
    pub fn new(settings: Settings, now: Now) -> Self {
        Self {
            phase: Phase::AwaitingConnect { deadline: now.moment + settings.connect_deadline },
            peer: Peer::default(),
            keep_alive: KeepAlive::new(0, now.moment),
            publishes: Publishes::new(&settings),
            deliveries: Deliveries::default(),
            requests_pending: 0,
            events: VecDeque::new(),
            out: BytesMut::new(),
            traffic: Traffic::default(),
            settings,
        }
    }

    /// Takes whole packets out of `input`, until none is left or until the machine has to wait for the driver.
    /// Returns whether it stopped for the latter, so that whole packets may still be there.
    pub fn handle_bytes(&mut self, now: Now, input: &mut BytesMut) -> bool {
        while self.wants_bytes() {
            match split_body(input, self.settings.packet_bytes_max) {
                Ok(Some((header, body))) => {
                    self.traffic.count_received(header.packet_type, header.packet_bytes());
                    self.keep_alive.heard(now.moment);
                    if let Err(violation) = self.handle_packet(now, header, body) {
                        self.end_by_violation(violation);
                    }
                }
                Ok(None) => return false,
                Err(error) => self.end_by_violation(error.into()),
            }
        }
        // What follows the end of a connection is nobody's.
        !self.is_closed() && !input.is_empty()
    }

    /// The next event; `None` when there is none for now.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The bytes that are to be sent. The driver advances the buffer past what the transport took.
    pub fn transmit(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Gives back the memory that only work needs. For when the transport brings nothing and takes nothing: a node has
    /// more connections that rest than such that work.
    pub fn rest(&mut self) {
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        if self.out.is_empty() {
            self.out = BytesMut::new();
        }
        self.traffic.rest();
        self.publishes.rest();
        self.deliveries.rest();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` when nothing is waited for.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.next_timer().map(|(_, moment)| moment)
    }

    /// Lets the timer fire that has come. Calling too early does nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        match self.next_timer() {
            Some((Timer::ConnectDeadline, moment)) if moment <= now.moment => self.end_by_connect_deadline(),
            Some((Timer::KeepAlive, moment)) if moment <= now.moment => self.end_by_silence(),
            _ => {}
        }
    }

    /// The driver did not read for a reason of its own: the client's silence does not count.
    pub fn handle_held_up(&mut self, now: Now) {
        self.keep_alive.heard(now.moment);
    }

    /// Whether [`handle_bytes`](Self::handle_bytes) would read a packet now. While it would not, the transport need
    /// not be read.
    #[inline]
    pub fn wants_bytes(&self) -> bool {
        let answered = match self.phase {
            Phase::AwaitingConnect { .. } => true,
            Phase::Open => {
                self.requests_pending < limits::MQTT_REQUESTS_PENDING_MAX
                    && !self.publishes.awaits_early_release()
                    && !(self.peer.version == Version::V3_1_1 && self.publishes.pending_are_full())
            }
            Phase::Deciding { .. } | Phase::Closed => false,
        };
        answered
            && self.events.len() < limits::MQTT_EVENTS_QUEUED_MAX
            && self.out.len() < limits::MQTT_TRANSMIT_BYTES_MAX
    }

    /// Whether the client was accepted and the connection has not ended.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether the connection has ended: [`Event::Closed`] is the last event or was taken already.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// The version that CONNECT named; 5.0 until then.
    pub fn version(&self) -> Version {
        self.peer.version
    }

    /// The client's identifier, given or assigned; `None` until the client is accepted.
    pub fn client_id(&self) -> Option<&ClientId> {
        self.peer.client_id.as_ref()
    }

    /// Seconds of the keep alive in force; 0 when it is off.
    pub fn keep_alive_s(&self) -> u16 {
        self.peer.keep_alive_s
    }

    /// Adds what the connection has carried since the last call to the sums.
    #[inline]
    pub fn collect_traffic(&mut self, totals: &TrafficTotals) {
        self.traffic.collect(totals);
    }

    fn next_timer(&self) -> Option<(Timer, Moment)> {
        match self.phase {
            Phase::AwaitingConnect { deadline } | Phase::Deciding { deadline, .. } => {
                Some((Timer::ConnectDeadline, deadline))
            }
            Phase::Open => self.keep_alive.deadline().map(|moment| (Timer::KeepAlive, moment)),
            Phase::Closed => None,
        }
    }

    #[inline]
    fn handle_packet(&mut self, now: Now, header: FixedHeader, body: Body) -> Result<(), Violation> {
        if let Phase::AwaitingConnect { deadline } = self.phase {
            return self.handle_first_packet(deadline, header, body);
        }
        header.check_length(self.peer.version)?;
        if header.packet_type == PacketType::Publish {
            return self.handle_publish(now, header.flags, body);
        }
        match header.packet_type {
            PacketType::Connect => return Err(Violation::ConnectTwice),
            packet @ (PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp) => {
                return Err(Violation::NotForClients { packet });
            }
            _ => {}
        }
        match Packet::decode_body(self.peer.version, header, body)? {
            Packet::Puback(ack) => self.handle_puback(&ack),
            Packet::Pubrec(ack) => self.handle_pubrec(&ack),
            Packet::Pubcomp(ack) => self.handle_pubcomp(&ack),
            Packet::Pubrel(ack) => {
                self.handle_pubrel(ack);
                Ok(())
            }
            Packet::Subscribe(subscribe) => {
                self.handle_subscribe(subscribe);
                Ok(())
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.handle_unsubscribe(unsubscribe);
                Ok(())
            }
            Packet::Pingreq => {
                self.send(Packet::Pingresp);
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(&disconnect),
            Packet::Auth(_) => Err(Violation::AuthenticationNotAgreed),
            other => Err(Violation::NotForClients { packet: other.packet_type() }),
        }
    }
}
