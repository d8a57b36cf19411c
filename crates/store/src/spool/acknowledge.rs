//! What destinations say about their messages: acknowledged, received, sent; and what publishers release.

use std::num::NonZeroU16;

use message::DestinationId;
use parking_lot::MutexGuard;

use super::record::{
    KIND_DELIVERED, KIND_RECEIVED, KIND_RELEASED, KIND_REMOVED, KIND_SETTLED, put_delivered, put_packet, put_received,
    put_settled,
};
use super::state::{State, count_out};
use super::{Ordinal, Spool};
use crate::Durability;
use crate::log::{CommitPoint, put_varint};

impl Spool {
    /// Takes messages out of a destination, in any order. Those that are out already do no harm.
    pub fn acknowledge(&self, destination: DestinationId, ordinals: &[Ordinal]) -> CommitPoint {
        let mut ordinals: Vec<u64> = ordinals.iter().map(|ordinal| ordinal.0).collect();
        let mut state = self.log.lock();
        let point = state.settle(destination, None, &mut ordinals);
        self.log.unlock(state);
        point
    }

    /// Notes that the receiver confirmed a QoS 2 message by PUBREC. PUBREL may be sent when the point is reached.
    pub fn mark_received(&self, destination: DestinationId, ordinal: Ordinal) -> CommitPoint {
        let mut state = self.log.lock();
        let next = state.tail.next();
        let Some(found) = state.destinations.get_mut(&destination) else { return CommitPoint::REACHED };
        let durability = found.options.durability;
        if !found.waits(ordinal.0) || !found.received.insert(ordinal.0) {
            return self.all_so_far(state, CommitPoint::at(next, durability));
        }
        let point = state.put_state(KIND_RECEIVED, durability, |buffer| put_received(buffer, destination, ordinal.0));
        self.log.unlock(state);
        point
    }

    /// Forgets the packet id of a QoS 2 message that a publisher's durable session brought. PUBCOMP may be sent when the point
    /// is reached.
    pub fn release(&self, destination: DestinationId, packet: NonZeroU16) -> CommitPoint {
        let mut state = self.log.lock();
        let next = state.tail.next();
        let Some(found) = state.destinations.get_mut(&destination) else { return CommitPoint::REACHED };
        let durability = found.options.durability;
        if !found.inbound.remove(&packet.get()) {
            return self.all_so_far(state, CommitPoint::at(next, durability));
        }
        let point = state.put_state(KIND_RELEASED, durability, |buffer| put_packet(buffer, destination, packet.get()));
        self.log.unlock(state);
        point
    }

    /// The point of what was put in before. Nobody else may ask for it to be synced, so this does.
    fn all_so_far(&self, mut state: MutexGuard<'_, State>, point: CommitPoint) -> CommitPoint {
        if !self.committed(point) {
            state.tail.want_sync();
            self.log.unlock(state);
        }
        point
    }

    /// Notes that messages below this ordinal may have been sent: one small record, if that is new, so it is best said once
    /// for many. Nobody waits for it: it is written soon after and outlives a kill then, but after a loss of power a message that
    /// was sent may be read as if it had not been.
    pub fn sent(&self, destination: DestinationId, below: Ordinal) {
        let mut state = self.log.lock();
        let Some(found) = state.destinations.get_mut(&destination) else { return };
        let sent = below.0.min(found.next);
        if sent <= found.sent {
            return;
        }
        found.sent = sent;
        state.put_state(KIND_SETTLED, Durability::Os, |buffer| put_settled(buffer, destination, None, sent, &[]));
        self.log.unlock(state);
    }

    /// Notes how often a message was delivered. Nobody waits for it: after a loss of power the count may be that of a moment
    /// before.
    pub fn note_deliveries(&self, destination: DestinationId, ordinal: Ordinal, deliveries: u32) {
        let mut state = self.log.lock();
        let Some(found) = state.destinations.get_mut(&destination) else { return };
        if !found.waits(ordinal.0) || found.deliveries.insert(ordinal.0, deliveries) == Some(deliveries) {
            return;
        }
        state.put_state(KIND_DELIVERED, Durability::Os, |buffer| {
            put_delivered(buffer, destination, ordinal.0, deliveries);
        });
        self.log.unlock(state);
    }

    /// What was noted of the messages from `from` on and before `to`, in their order.
    pub fn noted_deliveries(&self, destination: DestinationId, from: Ordinal, to: Ordinal) -> Vec<(Ordinal, u32)> {
        let state = self.log.lock();
        let Some(found) = state.destinations.get(&destination) else { return Vec::new() };
        let within = from.0..to.0.max(from.0);
        found.deliveries.range(within).map(|(ordinal, count)| (Ordinal(*ordinal), *count)).collect()
    }

    /// Forgets a destination with all that waits in it.
    pub fn remove(&self, destination: DestinationId) -> CommitPoint {
        let mut guard = self.log.lock();
        let state = &mut *guard;
        let Some(found) = state.destinations.remove(&destination) else { return CommitPoint::REACHED };
        for extent in &found.extents {
            count_out(&mut state.segments, &mut state.emptied, extent.segment, u64::from(extent.live), extent.bytes);
        }
        let was_used = found.next > 0 || !found.inbound.is_empty();
        let point = if was_used || found.label.is_some() {
            let durability = if was_used { Durability::Fsync } else { Durability::Os };
            state.put_state(KIND_REMOVED, durability, |buffer| put_varint(buffer, destination.get()))
        } else {
            CommitPoint::REACHED
        };
        state.remove_emptied();
        self.log.unlock(guard);
        point
    }
}
