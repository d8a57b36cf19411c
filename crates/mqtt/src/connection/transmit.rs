//! Writing to the client: within the size that it takes, and with explanations only where it wants them.

use std::num::NonZeroU16;

use bytes::BytesMut;
use message::{ClientId, limits};

use super::{CloseCause, Connection, Violation};
use crate::packet::{Ack, ConnectProperties, Packet, PacketTooLarge, PacketType, ReasonCode, Version};

/// What is known of the client.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) version: Version,
    pub(super) client_id: Option<ClientId>,
    pub(super) keep_alive_s: u16,
    /// Seconds that the session outlives the connection.
    pub(super) session_expiry_s: u32,
    /// The largest packet that the client takes.
    pub(super) packet_bytes_max: usize,
    /// Whether the client wants reasons told in words, also in acknowledgements (section 3.1.2.11.7).
    pub(super) wants_explanations: bool,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            version: Version::V5,
            client_id: None,
            keep_alive_s: 0,
            session_expiry_s: 0,
            packet_bytes_max: usize::MAX,
            wants_explanations: true,
        }
    }
}

impl Peer {
    /// Takes over what CONNECT says of the packets that the client takes.
    pub(super) fn hear(&mut self, properties: &ConnectProperties) {
        self.wants_explanations = properties.request_problem_information.unwrap_or(true);
        self.packet_bytes_max = properties.packet_bytes_max.map_or(usize::MAX, |bytes| bytes.get() as usize);
    }
}

impl Connection {
    /// Writes a packet other than PUBLISH. A client that does not take packets of the size of an answer that it waits
    /// for cannot be served.
    pub(super) fn send(&mut self, packet: Packet) {
        let packet_type = packet.packet_type();
        if self.try_send(packet).is_err() {
            self.end(CloseCause::Violation(Violation::AnswerTooLarge { packet: packet_type }), true, None);
        }
    }

    /// Writes a packet other than PUBLISH, without explanations if it is too large with them.
    pub(super) fn try_send(&mut self, mut packet: Packet) -> Result<(), PacketTooLarge> {
        self.make_room();
        let explained = matches!(packet.packet_type(), PacketType::Connack | PacketType::Disconnect);
        if !self.peer.wants_explanations && !explained {
            packet.drop_explanation();
        }
        let before = self.out.len();
        let (version, bytes_max) = (self.peer.version, self.peer.packet_bytes_max);
        if packet.encode(version, &mut self.out, bytes_max).is_err() {
            packet.drop_explanation();
            packet.encode(version, &mut self.out, bytes_max)?;
        }
        self.traffic.count_sent(packet.packet_type(), self.out.len() - before);
        Ok(())
    }

    /// Writes one step of the handshake of a message.
    #[inline]
    pub(super) fn send_ack(&mut self, step: impl FnOnce(Ack) -> Packet, packet_id: NonZeroU16, reason: ReasonCode) {
        self.send(step(Ack::new(packet_id, reason)));
    }

    /// Gives back the memory of a burst that is over.
    #[inline]
    pub(super) fn make_room(&mut self) {
        if self.out.is_empty() && self.out.capacity() > 2 * limits::MQTT_TRANSMIT_DELIVERIES_BYTES_MAX {
            self.out = BytesMut::new();
        }
    }
}
