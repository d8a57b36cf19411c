//! What a device does with the node's packets, and what it tells the story of them.

use message::{QoS, TopicName};
use mqtt::packet::{Ack, Connack, Publish};
use mqtt::{Packet, ReasonCode, Version};

use super::{Device, Phase, Request, SubscriptionNumber};
use message::Moment;

/// What a device has learned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Connected {
        /// The node went on with the session.
        present: bool,
    },
    Refused(ReasonCode),
    /// The node has the message and answers for it from now on.
    Accepted {
        number: u64,
    },
    /// The node has refused the message.
    Rejected {
        number: u64,
        reason: ReasonCode,
    },
    Subscribed {
        number: SubscriptionNumber,
        granted: Option<QoS>,
    },
    Unsubscribed {
        numbers: Vec<SubscriptionNumber>,
    },
    Delivered {
        topic: TopicName,
        payload: String,
        qos: QoS,
        retain: bool,
        dup: bool,
        /// The device said that it does not want it.
        refused: bool,
    },
    /// The node said that it ends the connection.
    Dismissed(ReasonCode),
}

impl Device {
    /// Takes whole packets out of what has arrived.
    pub(crate) fn receive(&mut self, now: Moment) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let packet = Packet::decode(self.options.version, &mut self.input, usize::MAX);
            match packet {
                Ok(Some(packet)) => self.handle(now, packet, &mut seen),
                Ok(None) => return seen,
                Err(error) => panic!("{}: the node sends what cannot be read: {error}", self.options.id),
            }
        }
    }

    fn handle(&mut self, now: Moment, packet: Packet, seen: &mut Vec<Seen>) {
        match packet {
            Packet::Connack(connack) => self.handle_connack(now, &connack, seen),
            Packet::Publish(publish) => self.handle_publish(publish, seen),
            Packet::Puback(ack) => self.handle_answer(&ack, QoS::AtLeastOnce, seen),
            Packet::Pubrec(ack) => self.handle_answer(&ack, QoS::ExactlyOnce, seen),
            Packet::Pubrel(ack) => {
                self.received.remove(&ack.packet_id);
                self.send(&Packet::Pubcomp(Ack::new(ack.packet_id, ReasonCode::Success)));
            }
            Packet::Pubcomp(ack) => {
                let place = self.in_flight.iter().position(|flight| flight.packet_id == ack.packet_id);
                let place = place.unwrap_or_else(|| panic!("{}: PUBCOMP of nothing", self.options.id));
                self.in_flight.remove(place);
                self.send_queued();
            }
            Packet::Suback(suback) => match self.requests.remove(&suback.packet_id) {
                Some(Request::Subscribe(number)) => {
                    assert_eq!(suback.reasons.len(), 1, "{}: one filter, one answer", self.options.id);
                    let granted = suback.reasons.first().and_then(|reason| QoS::try_from(reason.code()).ok());
                    seen.push(Seen::Subscribed { number, granted });
                }
                other => panic!("{}: SUBACK for {other:?}", self.options.id),
            },
            Packet::Unsuback(unsuback) => match self.requests.remove(&unsuback.packet_id) {
                Some(Request::Unsubscribe(numbers)) => seen.push(Seen::Unsubscribed { numbers }),
                other => panic!("{}: UNSUBACK for {other:?}", self.options.id),
            },
            Packet::Pingresp => {}
            Packet::Disconnect(disconnect) => seen.push(Seen::Dismissed(disconnect.reason)),
            other => panic!("{}: a node does not send {}", self.options.id, other.packet_type()),
        }
    }

    fn handle_connack(&mut self, now: Moment, connack: &Connack, seen: &mut Vec<Seen>) {
        assert_eq!(self.phase, Phase::Asking, "{}: CONNACK answers CONNECT", self.options.id);
        if connack.reason.is_error() {
            seen.push(Seen::Refused(connack.reason));
            return;
        }
        self.phase = Phase::Open;
        self.keep_alive_s = connack.properties.server_keep_alive_s.unwrap_or(self.options.keep_alive_s);
        self.wind_up(now);
        let v5 = self.options.version == Version::V5;
        let node_max = connack.properties.receive_max.map_or(u16::MAX, std::num::NonZero::get);
        self.send_max = usize::from(if v5 { node_max.min(self.options.receive_max) } else { self.options.receive_max });
        self.outbound_aliases.begin(connack.properties.topic_alias_max.unwrap_or(0));
        self.inbound_aliases.begin(self.options.topic_alias_max);
        let present = connack.session_present;
        if !present {
            // The node has forgotten what was under way: whether it took those messages, nobody knows.
            self.in_flight.clear();
            self.received.clear();
        }
        seen.push(Seen::Connected { present });
        self.resend();
        self.send_queued();
    }

    fn handle_publish(&mut self, publish: Publish, seen: &mut Vec<Seen>) {
        assert_eq!(self.phase, Phase::Open, "{}: messages come after CONNACK", self.options.id);
        let topic = self.inbound_aliases.resolve(publish.topic_alias, publish.topic);
        let mut refused = false;
        let new = match (publish.qos, publish.packet_id) {
            (QoS::AtMostOnce, _) | (_, None) => true,
            (QoS::AtLeastOnce, Some(id)) => {
                self.came += 1;
                let reason = match self.options.refuses_each {
                    // Every fourth of these for good.
                    Some(each) if self.came.is_multiple_of(4 * each) => ReasonCode::PayloadFormatInvalid,
                    Some(each) if self.came.is_multiple_of(each) => ReasonCode::ImplementationSpecificError,
                    _ => ReasonCode::Success,
                };
                refused = reason.is_error();
                self.send(&Packet::Puback(Ack::new(id, reason)));
                true
            }
            (QoS::ExactlyOnce, Some(id)) => {
                self.send(&Packet::Pubrec(Ack::new(id, ReasonCode::Success)));
                self.received.insert(id)
            }
        };
        if new {
            let payload = String::from_utf8_lossy(&publish.payload).into_owned();
            let (qos, retain, dup) = (publish.qos, publish.retain, publish.dup);
            seen.push(Seen::Delivered { topic, payload, qos, retain, dup, refused });
        }
    }

    /// PUBACK, or PUBREC, which is followed by PUBREL.
    fn handle_answer(&mut self, ack: &Ack, qos: QoS, seen: &mut Vec<Seen>) {
        let place = self.in_flight.iter().position(|flight| flight.packet_id == ack.packet_id);
        let Some(flight) = place.and_then(|place| self.in_flight.get_mut(place)) else {
            panic!("{}: an answer to nothing: {}", self.options.id, ack.packet_id);
        };
        assert_eq!(flight.letter.qos, qos, "{}: the answer fits the message", self.options.id);
        let number = flight.letter.number;
        if ack.reason.is_error() {
            seen.push(Seen::Rejected { number, reason: ack.reason });
        } else if !flight.released {
            seen.push(Seen::Accepted { number });
        }
        if qos == QoS::ExactlyOnce && !ack.reason.is_error() {
            flight.released = true;
            self.send(&Packet::Pubrel(Ack::new(ack.packet_id, ReasonCode::Success)));
            return;
        }
        if let Some(place) = place {
            self.in_flight.remove(place);
        }
        self.send_queued();
    }
}
