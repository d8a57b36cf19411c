//! Messages from the session to the client.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

use broker::{Outgoing, Refusal};
use message::{Now, limits};
use mqtt::{Delivery, DeliveryOutcome};

use super::client::Client;

/// Deliveries that are asked of the session at once.
const BATCH: usize = 256;
/// What a packet has around its topic and payload: header, lengths, identifier.
const PACKET_BYTES: usize = 12;

impl Client {
    /// Writes what the session has, until the session is empty, the window is full, or enough stands to transmit.
    pub(super) fn write_deliveries(&mut self, now: Now) {
        let mut more = true;
        while more && self.connection.wants_deliveries() {
            let Some(session) = &mut self.session else { return };
            more = session.next_deliveries(now, self.connection.in_flight_max(), BATCH, &mut self.outgoing);
            let mut outgoing = std::mem::take(&mut self.outgoing);
            self.reserve_for(&outgoing);
            for one in outgoing.drain(..) {
                self.write(now, &one);
            }
            self.outgoing = outgoing;
        }
    }

    /// Takes the memory for a batch at once: a buffer that grows message by message is moved again and again.
    fn reserve_for(&mut self, outgoing: &[Outgoing]) {
        let bytes: usize = outgoing.iter().map(bytes_of).sum();
        self.connection.transmit().reserve(bytes.min(limits::MQTT_TRANSMIT_DELIVERIES_BYTES_MAX));
    }

    fn write(&mut self, now: Now, outgoing: &Outgoing) {
        let (slot, delivery, dup) = match outgoing {
            Outgoing::Release { slot } => return self.connection.handle_release(*slot),
            Outgoing::Message { slot, delivery, duplicate } => (*slot, delivery, *duplicate),
        };
        let ids = delivery.identifiers.as_slice();
        let numbers: Vec<u32>;
        let subscription_ids = match ids {
            [] => &[][..],
            ids => {
                numbers = ids.iter().copied().map(NonZeroU32::get).collect();
                &numbers
            }
        };
        let publication = &delivery.publication;
        let (qos, retain) = (delivery.qos, delivery.retain);
        let outcome =
            self.connection.handle_delivery(now, &Delivery { publication, qos, retain, dup, slot, subscription_ids });
        match outcome {
            DeliveryOutcome::Written => return,
            DeliveryOutcome::TooLarge => {
                self.mqtt.figures.too_large.fetch_add(1, Ordering::Relaxed);
                if let (Some(slot), Some(session)) = (slot, &mut self.session) {
                    let _ = session.handle_refused(slot, Refusal::ByThisOne);
                }
                return;
            }
            // The session looked at the expiry a moment ago, and counts what it drops for it.
            DeliveryOutcome::Expired => {}
            // The session asks for no more than the window takes, and keeps what is under way when a connection ends.
            DeliveryOutcome::WindowFull | DeliveryOutcome::NotOpen => return,
        }
        if let (Some(slot), Some(session)) = (slot, &mut self.session) {
            let _ = session.handle_delivered(slot);
        }
    }
}

/// About what it takes on the wire, without properties.
fn bytes_of(outgoing: &Outgoing) -> usize {
    match outgoing {
        Outgoing::Release { .. } => PACKET_BYTES,
        Outgoing::Message { delivery, .. } => {
            PACKET_BYTES + delivery.publication.topic.as_str().len() + delivery.publication.payload.len()
        }
    }
}
