//! The deliveries of a session that are under way with QoS 1 and 2, in the order in which they were first sent
//! (MQTT 5.0 sections 4.3, 4.4, 4.6 and 4.9).

use std::collections::VecDeque;
use std::sync::Arc;

use message::{QoS, limits};
use store::spool::Ordinal;

use crate::delivery::Delivery;
use crate::receipt::Receipt;
use crate::session::outgoing::{Outgoing, Slot};

#[derive(Debug, Default)]
pub(super) struct Window {
    entries: VecDeque<InFlight>,
    /// Counts the slots given to messages that are only in memory; the slot is this number modulo 65,535, plus one.
    next: u64,
    /// Messages sent on this connection that wait for an acknowledgement: what the client's Receive Maximum limits.
    occupied: usize,
    /// Entries of earlier connections that this one has not sent again yet.
    unsent: usize,
    /// Entries whose slot does not follow from a place on disk.
    loose: usize,
    /// The place on disk that is sent next, if the session has any: neither it nor one behind it was ever under way.
    next_on_disk: Option<Ordinal>,
    /// What the messages weigh that may have to be sent again.
    bytes: usize,
}

#[derive(Debug)]
struct InFlight {
    slot: Slot,
    number: u64,
    /// Its place on disk.
    ordinal: Option<Ordinal>,
    /// Who hears what becomes of it.
    receipt: Option<Arc<dyn Receipt>>,
    state: State,
    /// Sent on this connection.
    on_wire: bool,
    /// Counts among `occupied`.
    occupies: bool,
}

/// What is left to do for a delivery that is complete: its place on disk is to be freed, its sender to be told.
pub(super) type Completed = (Option<Ordinal>, Option<Arc<dyn Receipt>>);

#[derive(Debug)]
enum State {
    Sent(Delivery),
    /// QoS 2: the client has the message, only its slot is still held.
    Received,
}

/// An acknowledgement of something that is not under way. After a lost session this is no fault of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("packet identifier {slot} is not in use")]
pub struct UnknownSlot {
    pub slot: Slot,
}

const SLOTS: u64 = u16::MAX as u64;
/// Messages that are only in memory get no slot that so many messages on disk are about to need.
const SLOTS_LEFT_TO_DISK: u64 = SLOTS / 4;

impl Window {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has_room(&self, in_flight_max: usize) -> bool {
        self.unsent == 0 && self.occupied < in_flight_max && self.entries.len() < usize::from(u16::MAX)
    }

    /// Whether this message's slot is free too: one that lies on disk has the same slot whenever it is sent, so that a
    /// client knows it again after the node was killed.
    pub(super) fn has_room_for(&self, delivery: &Delivery, in_flight_max: usize) -> bool {
        let lapped = delivery.place.zip(self.entries.front()).is_some_and(|(place, oldest)| {
            oldest.ordinal.is_some_and(|oldest| place.ordinal.0.saturating_sub(oldest.0) >= SLOTS)
        });
        let is_taken = |slot| self.loose > 0 && self.position(slot).is_ok();
        // One always fits: a message may be larger than that.
        let weighs_little = self.bytes + delivery.weight_bytes as usize <= limits::SESSION_IN_FLIGHT_BYTES_MAX;
        self.has_room(in_flight_max)
            && (weighs_little || self.bytes == 0)
            && !lapped
            && !delivery.place.is_some_and(|place| is_taken(slot_of(place.ordinal)))
    }

    /// Says where the messages on disk begin that are to be sent.
    pub(super) fn begin_on_disk(&mut self, from: Ordinal) {
        self.next_on_disk = Some(from);
    }

    /// Whether this place on disk is under way.
    pub(super) fn holds(&self, ordinal: Ordinal) -> bool {
        Some(ordinal) < self.next_on_disk && self.entries.iter().any(|entry| entry.ordinal == Some(ordinal))
    }

    /// Takes up again, after a restart, what the client has and was not seen to let go.
    pub(super) fn restore_received(&mut self, ordinals: &[Ordinal]) {
        for ordinal in ordinals {
            let (slot, state) = (slot_of(*ordinal), State::Received);
            self.entries.push_back(InFlight {
                slot,
                number: 0,
                ordinal: Some(*ordinal),
                receipt: None,
                state,
                on_wire: false,
                occupies: false,
            });
            self.unsent += 1;
            self.next_on_disk = self.next_on_disk.max(Some(ordinal.next()));
        }
    }

    /// Gives a message a slot. The caller has asked [`Window::has_room`].
    pub(super) fn send(&mut self, delivery: Delivery) -> Outgoing {
        let place = delivery.place;
        let slot = place.map_or_else(|| self.free_slot(), |place| slot_of(place.ordinal));
        let number = self.next;
        self.occupied += 1;
        self.bytes += delivery.weight_bytes as usize;
        match place {
            Some(place) => self.next_on_disk = self.next_on_disk.max(Some(place.ordinal.next())),
            None => {
                self.next += 1;
                self.loose += 1;
            }
        }
        let receipt = delivery.receipt.clone();
        if let Some(receipt) = &receipt {
            receipt.handle_sent();
        }
        let state = State::Sent(delivery.clone());
        let ordinal = place.map(|place| place.ordinal);
        self.entries.push_back(InFlight { slot, number, ordinal, receipt, state, on_wire: true, occupies: true });
        Outgoing::Message { slot: Some(slot), delivery, duplicate: place.is_some_and(|place| place.was_sent) }
    }

    /// The connection is a new one: whatever is under way has to be sent again, but for what its sender has given to
    /// others meanwhile. Of that, a message of QoS 2 is let go: the client may have it, and would take the next one with its
    /// slot for the same.
    pub(super) fn start_connection(&mut self) {
        self.entries.retain_mut(|entry| {
            let was_given = entry.receipt.take().is_some();
            let is_held = match &entry.state {
                State::Sent(delivery) => delivery.qos == QoS::ExactlyOnce,
                State::Received => true,
            };
            if was_given && is_held {
                entry.state = State::Received;
            }
            !was_given || is_held
        });
        self.loose = self.entries.iter().filter(|entry| entry.ordinal.is_none()).count();
        self.bytes = self.entries.iter().map(|entry| entry.state.weight_bytes()).sum();
        for entry in &mut self.entries {
            entry.on_wire = false;
            entry.occupies = false;
        }
        self.occupied = 0;
        self.unsent = self.entries.len();
    }

    /// Sends again what an earlier connection left: messages in their order, then releases in theirs, as soon as they may.
    pub(super) fn resend(
        &mut self,
        in_flight_max: usize,
        messages_max: usize,
        may_release: impl FnOnce() -> bool,
        out: &mut Vec<Outgoing>,
    ) {
        if self.unsent == 0 {
            return;
        }
        let mut messages_left = 0;
        let mut budget = messages_max;
        for entry in self.entries.iter_mut().filter(|entry| !entry.on_wire) {
            let State::Sent(delivery) = &entry.state else { continue };
            if self.occupied >= in_flight_max || budget == 0 {
                messages_left += 1;
                continue;
            }
            let delivery = delivery.clone();
            out.push(Outgoing::Message { slot: Some(entry.slot), delivery, duplicate: true });
            entry.on_wire = true;
            entry.occupies = true;
            self.occupied += 1;
            self.unsent -= 1;
            budget -= 1;
        }
        if messages_left > 0 || self.unsent == 0 || !may_release() {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| !entry.on_wire).take(budget) {
            out.push(Outgoing::Release { slot: entry.slot });
            entry.on_wire = true;
            self.unsent -= 1;
        }
    }

    /// The delivery is complete (PUBACK, PUBCOMP) or the client refused it. Returns its place on disk
    /// and its receipt.
    pub(super) fn complete(&mut self, slot: Slot) -> Result<Completed, UnknownSlot> {
        let index = self.position(slot)?;
        let entry = self.entries.remove(index).ok_or(UnknownSlot { slot })?;
        self.occupied -= usize::from(entry.occupies);
        self.bytes -= entry.state.weight_bytes();
        self.unsent -= usize::from(!entry.on_wire);
        self.loose -= usize::from(entry.ordinal.is_none());
        Ok((entry.ordinal, entry.receipt))
    }

    /// The client has the message (PUBREC): it is never sent again. Saying so twice is harmless. Returns its place on
    /// disk.
    pub(super) fn receive(&mut self, slot: Slot) -> Result<Option<Ordinal>, UnknownSlot> {
        let index = self.position(slot)?;
        let entry = self.entries.get_mut(index).ok_or(UnknownSlot { slot })?;
        self.bytes -= entry.state.weight_bytes();
        entry.state = State::Received;
        Ok(entry.ordinal)
    }

    /// Ends all: returns the messages whose delivery may still be done by someone else, which those of QoS 2 may not.
    pub(super) fn abandon(&mut self) -> Vec<Delivery> {
        let entries = std::mem::take(self).entries;
        let sent = entries.into_iter().filter_map(|entry| match entry.state {
            State::Sent(delivery) if delivery.qos == QoS::AtLeastOnce => Some(delivery),
            State::Sent(_) | State::Received => None,
        });
        sent.collect()
    }

    /// Clients acknowledge in order, so this looks at the first entries only.
    fn position(&self, slot: Slot) -> Result<usize, UnknownSlot> {
        self.entries.iter().position(|entry| entry.slot == slot).ok_or(UnknownSlot { slot })
    }

    /// The slot of messages that are only in memory. Their slots stay far from those that messages on disk need next: one
    /// that the client is slow to acknowledge would hold these up.
    fn free_slot(&mut self) -> Slot {
        if let Some(next_on_disk) = self.next_on_disk {
            let ahead = (self.next % SLOTS + SLOTS - next_on_disk.0 % SLOTS) % SLOTS;
            if !(SLOTS_LEFT_TO_DISK..SLOTS - SLOTS_LEFT_TO_DISK).contains(&ahead) {
                self.next += (SLOTS / 2 + SLOTS - ahead) % SLOTS;
            }
        }
        loop {
            let slot = Slot::MIN.saturating_add(u16::try_from(self.next % SLOTS).unwrap_or(0));
            // All slots in use were given out after the oldest: nothing to look for unless it was lapped.
            let lapped = self.entries.front().is_some_and(|oldest| self.next - oldest.number >= SLOTS);
            let alone = self.loose == self.entries.len();
            if (!lapped && alone) || self.position(slot).is_err() {
                return slot;
            }
            self.next += 1;
        }
    }
}

impl State {
    fn weight_bytes(&self) -> usize {
        match self {
            Self::Sent(delivery) => delivery.weight_bytes as usize,
            Self::Received => 0,
        }
    }
}

/// The slot of a message on disk follows from its place.
fn slot_of(ordinal: Ordinal) -> Slot {
    Slot::MIN.saturating_add(u16::try_from(ordinal.0 % SLOTS).unwrap_or(0))
}

#[cfg(test)]
mod tests;
