//! Messages to the client, sections 3.3.4, 4.3 and 4.9: written at once into the bytes to transmit. The session keeps
//! them until they are delivered; here stands only which acknowledgement is waited for.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use message::{Now, Publication, QoS, TopicName, limits};

use super::topic_alias::{AliasUse, OutboundAliases};
use super::{Connection, Event, Violation};
use crate::packet::{Ack, Packet, PacketTooLarge, PacketType, PublishView, ReasonCode};

/// One message for the client.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub publication: &'a Publication,
    /// The lower of the published and the granted QoS.
    pub qos: QoS,
    /// The retain flag as this subscription shall see it.
    pub retain: bool,
    /// It was sent before, on an earlier connection of the session.
    pub dup: bool,
    /// The packet identifier: unique among the deliveries of the session that have not ended. Needed above QoS 0; a
    /// delivery without one is sent with QoS 0.
    pub slot: Option<NonZeroU16>,
    /// The numbers that the client gave to the subscriptions that matched.
    pub subscription_ids: &'a [u32],
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a delivery that was not written has to be kept or counted"]
pub enum DeliveryOutcome {
    /// It stands in the bytes to transmit. Above QoS 0, [`Event::Delivered`] tells its end.
    Written,
    /// The client does not take packets of this size: to be counted as dropped, and its slot freed (section 3.1.2.11.4).
    TooLarge,
    /// It is older than its publisher allows: to be counted as dropped, and its slot freed (section 3.3.2.3.3).
    Expired,
    /// The client's Receive Maximum is reached: to be tried again after the next [`Event::Delivered`].
    WindowFull,
    /// The client is not accepted yet, or the connection has ended.
    NotOpen,
}

/// What is known of the messages under way to the client.
#[derive(Debug)]
pub(super) struct Deliveries {
    window: u16,
    /// In the order in which they were sent, in which their acknowledgements come too.
    under_way: VecDeque<(NonZeroU16, Awaited)>,
    /// Releases among them whose messages went by an earlier connection: the window begins anew with each connection,
    /// and only messages take from it (section 4.9).
    releases: usize,
    aliases: OutboundAliases,
}

/// The acknowledgement that a delivery waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Puback,
    Pubrec,
    /// PUBREC came: the driver releases the message once that is noted where it lasts.
    Release,
    Pubcomp,
    /// As `Pubcomp`, of a message that went by an earlier connection.
    PubcompOfEarlier,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { window: 0, under_way: VecDeque::new(), releases: 0, aliases: OutboundAliases::new(0) }
    }
}

impl Deliveries {
    /// Takes over what CONNECT allows.
    pub(super) fn begin(&mut self, window: u16, alias_max: u16) {
        self.window = window;
        self.aliases = OutboundAliases::new(alias_max);
    }

    /// Gives back the memory that only work needs.
    pub(super) fn rest(&mut self) {
        if self.under_way.is_empty() {
            self.under_way = VecDeque::new();
        }
    }

    fn find(&self, slot: NonZeroU16) -> Option<(usize, Awaited)> {
        let place = self.under_way.iter().position(|(under_way, _)| *under_way == slot)?;
        self.under_way.get(place).map(|(_, awaited)| (place, *awaited))
    }

    fn set(&mut self, place: usize, awaited: Awaited) {
        if let Some(entry) = self.under_way.get_mut(place) {
            entry.1 = awaited;
        }
    }
}

impl Connection {
    /// Writes a delivery. Messages leave in the order of these calls.
    #[inline]
    pub fn handle_delivery(&mut self, now: Now, delivery: &Delivery<'_>) -> DeliveryOutcome {
        if !self.is_open() {
            return DeliveryOutcome::NotOpen;
        }
        let slot = delivery.slot.filter(|_| delivery.qos > QoS::AtMostOnce);
        if slot.is_some() && self.send_window() == 0 {
            return DeliveryOutcome::WindowFull;
        }
        let publication = delivery.publication;
        let message_expiry_s = publication.expiry_left_s(now.wall);
        if message_expiry_s == Some(0) && !delivery.dup {
            return DeliveryOutcome::Expired;
        }
        let view = PublishView {
            dup: delivery.dup && slot.is_some(),
            qos: if slot.is_some() { delivery.qos } else { QoS::AtMostOnce },
            retain: delivery.retain,
            topic: publication.topic.as_str(),
            packet_id: slot,
            topic_alias: None,
            subscription_ids: delivery.subscription_ids,
            message_expiry_s,
            properties: publication.properties.as_deref(),
            payload: &publication.payload,
        };
        if self.write_publish(&publication.topic, view).is_err() {
            return DeliveryOutcome::TooLarge;
        }
        if let Some(slot) = slot {
            let awaited = if delivery.qos == QoS::ExactlyOnce { Awaited::Pubrec } else { Awaited::Puback };
            self.deliveries.under_way.push_back((slot, awaited));
        }
        DeliveryOutcome::Written
    }

    /// Writes a PUBLISH, with an alias for its topic where that saves bytes.
    #[inline]
    fn write_publish(&mut self, topic: &TopicName, plain: PublishView<'_>) -> Result<(), PacketTooLarge> {
        self.make_room();
        let before = self.out.len();
        let (version, bytes_max) = (self.peer.version, self.peer.packet_bytes_max);
        match self.deliveries.aliases.choose(topic) {
            AliasUse::None => plain.encode(version, &mut self.out, bytes_max)?,
            AliasUse::Replace(alias) => {
                let view = PublishView { topic: "", topic_alias: Some(alias), ..plain };
                view.encode(version, &mut self.out, bytes_max)?;
            }
            AliasUse::Introduce(alias) => {
                let view = PublishView { topic_alias: Some(alias), ..plain };
                if view.encode(version, &mut self.out, bytes_max).is_ok() {
                    self.deliveries.aliases.introduced(alias, topic);
                } else {
                    // The alias alone may be what is too much.
                    plain.encode(version, &mut self.out, bytes_max)?;
                }
            }
        }
        self.traffic.count_sent(PacketType::Publish, self.out.len() - before);
        self.traffic.count_payload_sent(plain.payload.len());
        Ok(())
    }

    /// Releases a QoS 2 delivery that the client has received: the answer to [`Event::Received`], and once more on the
    /// session's next connection if its end was not seen.
    pub fn handle_release(&mut self, slot: NonZeroU16) {
        if !self.is_open() {
            return;
        }
        match self.deliveries.find(slot) {
            Some((place, Awaited::Release)) => self.deliveries.set(place, Awaited::Pubcomp),
            Some(_) => return,
            None => {
                self.deliveries.under_way.push_back((slot, Awaited::PubcompOfEarlier));
                self.deliveries.releases += 1;
            }
        }
        self.send_ack(Packet::Pubrel, slot, ReasonCode::Success);
    }

    /// How many more deliveries with QoS 1 or 2 the client takes now: its Receive Maximum, capped by the node's own
    /// limit, less those under way.
    #[inline]
    pub fn send_window(&self) -> usize {
        let messages = self.deliveries.under_way.len().saturating_sub(self.deliveries.releases);
        usize::from(self.deliveries.window).saturating_sub(messages)
    }

    /// The deliveries with QoS 1 or 2 that may be under way to the client at once: its Receive Maximum, capped by the
    /// node's own limit.
    pub fn in_flight_max(&self) -> u16 {
        self.deliveries.window
    }

    /// Whether deliveries should be handed in now: not before the client is accepted, and not while it is slow to read.
    #[inline]
    pub fn wants_deliveries(&self) -> bool {
        self.is_open() && self.out.len() < limits::MQTT_TRANSMIT_DELIVERIES_BYTES_MAX
    }

    pub(super) fn handle_puback(&mut self, ack: &Ack) -> Result<(), Violation> {
        match self.deliveries.find(ack.packet_id) {
            Some((place, Awaited::Puback)) => self.finish_delivery(place, ack),
            Some(_) => return Err(out_of_place(PacketType::Puback, ack)),
            None => {}
        }
        Ok(())
    }

    pub(super) fn handle_pubrec(&mut self, ack: &Ack) -> Result<(), Violation> {
        match self.deliveries.find(ack.packet_id) {
            Some((place, Awaited::Pubrec)) if ack.reason.is_error() => self.finish_delivery(place, ack),
            Some((place, Awaited::Pubrec)) => {
                self.deliveries.set(place, Awaited::Release);
                self.events.push_back(Event::Received { slot: ack.packet_id });
            }
            // It is said already, and answered soon.
            Some((_, Awaited::Release)) => {}
            Some((_, Awaited::Pubcomp | Awaited::PubcompOfEarlier)) => {
                self.send_ack(Packet::Pubrel, ack.packet_id, ReasonCode::Success);
            }
            Some((_, Awaited::Puback)) => return Err(out_of_place(PacketType::Pubrec, ack)),
            None => self.send_ack(Packet::Pubrel, ack.packet_id, ReasonCode::PacketIdentifierNotFound),
        }
        Ok(())
    }

    pub(super) fn handle_pubcomp(&mut self, ack: &Ack) -> Result<(), Violation> {
        match self.deliveries.find(ack.packet_id) {
            Some((place, Awaited::Pubcomp | Awaited::PubcompOfEarlier)) => self.finish_delivery(place, ack),
            Some(_) => return Err(out_of_place(PacketType::Pubcomp, ack)),
            None => {}
        }
        Ok(())
    }

    fn finish_delivery(&mut self, place: usize, ack: &Ack) {
        if let Some((_, Awaited::PubcompOfEarlier)) = self.deliveries.under_way.remove(place) {
            self.deliveries.releases -= 1;
        }
        self.events.push_back(Event::Delivered { slot: ack.packet_id, reason: ack.reason });
    }
}

fn out_of_place(packet: PacketType, ack: &Ack) -> Violation {
    Violation::AckOutOfPlace { packet, packet_id: ack.packet_id }
}
