//! Takes a message: one record for all its destinations.

use message::{Publication, Timestamp, limits};

use super::destination::{Destination, Settled};
use super::options::DropReason;
use super::placement::{Placed, Placement};
use super::record::{
    KIND_INBOUND, KIND_MESSAGE, Origin, put_message_head, put_packet, put_placement, put_publication, set_placements,
};
use super::room::{Beyond, Verdict};
use super::state::{State, count_out};
use super::{ExactlyOnce, Ordinal, Spool};
use crate::log::{AppendError, CommitPoint, HEADER_BYTES};
use crate::{Durability, FullPolicy};

impl Spool {
    /// Takes a message for all these destinations. `placed` is called for each of them, in their order and under the spool's
    /// lock, so that whoever keeps the messages in memory too sees them in the order of their ordinals: it must be short
    /// and must not call the spool. It gets the point that is the answer too.
    ///
    /// A message that one of them refuses goes to none, so that its publisher may bring it again: `placed` is called for those
    /// that refuse it, and the answer is [`AppendError::Refused`].
    ///
    /// `origin` is where a message of QoS 2 comes from: its packet id counts as taken until it is released.
    /// The point that is the answer is reached when the message is as safe as the most careful of its destinations asks.
    pub fn append(
        &self,
        now: Timestamp,
        publication: &Publication,
        origin: Option<ExactlyOnce>,
        to: &[Placement],
        placed: impl FnMut(usize, Placed, CommitPoint),
    ) -> Result<CommitPoint, AppendError> {
        self.append_beyond(Beyond::Nothing, now, publication, origin, to, placed)
    }

    /// As [`Self::append`], however many bytes wait for the disk: for messages that are bounded in themselves and cannot be
    /// brought again later. Whoever brings them asks [`Self::intake`] before the first.
    pub fn append_whatever_waits(
        &self,
        now: Timestamp,
        publication: &Publication,
        to: &[Placement],
        placed: impl FnMut(usize, Placed, CommitPoint),
    ) -> Result<CommitPoint, AppendError> {
        self.append_beyond(Beyond::Waiting, now, publication, None, to, placed)
    }

    fn append_beyond(
        &self,
        beyond: Beyond,
        now: Timestamp,
        publication: &Publication,
        origin: Option<ExactlyOnce>,
        to: &[Placement],
        mut placed: impl FnMut(usize, Placed, CommitPoint),
    ) -> Result<CommitPoint, AppendError> {
        let bytes = record_bytes_most(publication, to);
        if bytes > limits::LOG_RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes });
        }
        let mut state = self.log.lock();
        if let Some(poisoned) = self.log.marks.poisoned() {
            return Err(poisoned.into());
        }
        match self.find_room(&mut state, bytes, to, beyond) {
            Ok(Verdict::Append) => {}
            Ok(Verdict::DropNewest) => {
                let results = state.drop_newest(to);
                results.into_iter().enumerate().for_each(|(index, result)| placed(index, result, CommitPoint::REACHED));
                self.log.ask_for_room(state);
                return Ok(CommitPoint::REACHED);
            }
            Err(error) => {
                self.log.ask_for_room(state);
                return Err(error);
            }
        }
        let refusing = state.refusing(message_bytes(publication), to);
        if !refusing.is_empty() {
            refusing.into_iter().for_each(|index| placed(index, Placed::Refused, CommitPoint::REACHED));
            return Err(AppendError::Refused);
        }
        let origin = origin.map(Origin::from);
        let mut results = std::mem::take(&mut state.results);
        results.clear();
        let point = state.append(now, publication, origin, to, bytes, &mut results);
        for (index, result) in results.iter().enumerate() {
            placed(index, *result, point);
        }
        state.results = results;
        self.log.unlock(state);
        Ok(point)
    }
}

/// At most so many bytes has the record.
fn record_bytes_most(publication: &Publication, to: &[Placement]) -> usize {
    let identifiers: usize = to.iter().map(|placement| placement.identifiers.len()).sum();
    // A varint takes up to ten bytes; what a publication weighs in memory is more than what it takes here.
    HEADER_BYTES + 32 + publication.weight_bytes() + to.len() * 24 + identifiers * 5
}

/// What a message counts for in the limit of its destinations.
fn message_bytes(publication: &Publication) -> u64 {
    (limits::SPOOL_MESSAGE_OVERHEAD_BYTES + publication.topic.as_str().len() + publication.payload.len()) as u64
}

impl State {
    /// Which of the destinations refuse a message of this size. One that is named twice needs room for both.
    fn refusing(&mut self, bytes: u64, to: &[Placement]) -> Vec<usize> {
        let mut refusing = Vec::new();
        let mut claims = false;
        for (index, placement) in to.iter().enumerate() {
            let found = self.destinations.get_mut(&placement.destination);
            if let Some(destination) = found.filter(|found| found.options.policy == FullPolicy::Refuse) {
                if destination.lacks_room(bytes) {
                    refusing.push(index);
                }
                destination.claimed += 1;
                claims = true;
            }
        }
        if claims {
            for placement in to {
                self.destinations.get_mut(&placement.destination).into_iter().for_each(|found| found.claimed = 0);
            }
        }
        refusing
    }

    /// Counts a message as dropped by all its destinations.
    fn drop_newest(&mut self, to: &[Placement]) -> Vec<Placed> {
        let each = to.iter().map(|placement| match self.destinations.get_mut(&placement.destination) {
            Some(destination) => {
                destination.count_dropped(DropReason::Newest);
                Placed::DroppedNewest
            }
            None => Placed::Unknown,
        });
        each.collect()
    }

    fn append(
        &mut self,
        now: Timestamp,
        publication: &Publication,
        origin: Option<Origin>,
        to: &[Placement],
        bytes: usize,
        results: &mut Vec<Placed>,
    ) -> CommitPoint {
        self.now = now;
        self.make_segment(bytes);
        let Self { tail, destinations, segments, filling, emptied, making_room, .. } = self;
        let Some(begun) = tail.begin(now, KIND_MESSAGE) else { return CommitPoint::REACHED };
        let (start, place, buffer) = (begun.start, begun.place, begun.buffer);
        let count_at = put_message_head(buffer, origin);
        let size = message_bytes(publication);
        let mut count = 0u32;
        let mut durability = Durability::Memory;
        for placement in to {
            let id = placement.destination;
            // One that has just been removed takes nothing any more.
            let Some(destination) = destinations.get_mut(&id) else {
                results.push(Placed::Unknown);
                continue;
            };
            let has_room = destination.make_room(publication, size, |settled, ordinal, reason| {
                if let Settled::In { segment, bytes } = settled {
                    count_out(segments, emptied, segment, 1, bytes);
                }
                making_room.push((id, ordinal, reason));
            });
            if !has_room {
                results.push(Placed::DroppedNewest);
                continue;
            }
            if destination.filling.places.is_empty() {
                filling.push(id);
            }
            let ordinal = destination.place(place, size, now.as_micros());
            if destination.keys.is_some() {
                destination.remember(publication, ordinal);
            }
            durability = durability.max(destination.options.durability);
            put_placement(buffer, placement, ordinal);
            results.push(Placed::At(Ordinal(ordinal)));
            count += 1;
        }
        let origin = origin.filter(|_| results.is_empty() || results.iter().any(is_taken));
        if let Some(publisher) = origin.and_then(|origin| Some((origin.packet, destinations.get_mut(&origin.session)?)))
        {
            let (packet, publisher) = publisher;
            publisher.inbound.insert(packet);
            durability = durability.max(publisher.options.durability);
        }
        if count > 0 {
            set_placements(buffer, count_at, count);
            put_publication(buffer, publication, now);
            let point = tail.finish(start, durability);
            self.note_retained(origin, publication);
            self.write_room_made();
            return point;
        }
        tail.abandon(start);
        self.write_room_made();
        let Some(Origin { session, packet, .. }) = origin else { return CommitPoint::REACHED };
        // In this order: what a crash leaves is a beginning.
        if self.note_retained(origin, publication) {
            self.put_retained(&publication.topic);
        }
        self.put_state(KIND_INBOUND, durability, |buffer| put_packet(buffer, session, packet))
    }

    /// Writes down who had to make room for a message.
    fn write_room_made(&mut self) {
        if self.making_room.is_empty() {
            return;
        }
        let made = std::mem::take(&mut self.making_room);
        for group in made.chunk_by(|one, other| (one.0, one.2) == (other.0, other.2)) {
            if let Some((id, _, reason)) = group.first() {
                let ordinals: Vec<u64> = group.iter().map(|(_, ordinal, _)| *ordinal).collect();
                self.write_settled(*id, Some(*reason), &ordinals);
            }
        }
        self.making_room = made;
        self.making_room.clear();
        self.remove_emptied();
    }
}

/// Whether the publisher has reason to think that its message was taken.
fn is_taken(result: &Placed) -> bool {
    *result != Placed::Unknown
}

impl Destination {
    /// Notes the message of a topic.
    fn remember(&mut self, publication: &Publication, ordinal: u64) {
        let Some(mut keys) = self.keys.take() else { return };
        keys.set(&publication.topic, ordinal);
        keys.tidy(self.waiting_messages, |ordinal| self.waits(ordinal));
        self.keys = Some(keys);
    }

    /// Makes room for one more message by the destination's policy. Whether there is room now; a message that finds none is
    /// counted as dropped.
    fn make_room(
        &mut self,
        publication: &Publication,
        bytes: u64,
        mut out: impl FnMut(Settled, u64, DropReason),
    ) -> bool {
        let limits = self.options.limits;
        // What cannot be taken takes nobody's place, not that of the last value of its topic either.
        if bytes > limits.bytes_max || limits.messages_max == 0 {
            self.count_dropped(DropReason::Newest);
            return false;
        }
        if let Some(last) = self.keys.as_ref().and_then(|keys| keys.last(&publication.topic))
            && let Some(settled) = self.drop_one(last, DropReason::Replaced)
        {
            out(settled, last, DropReason::Replaced);
        }
        let makes_room = matches!(self.options.policy, FullPolicy::DropOldest | FullPolicy::KeepLastPerKey);
        while self.lacks_room(bytes) {
            let oldest = self.low;
            let dropped = if makes_room { self.drop_one(oldest, DropReason::Oldest) } else { None };
            let Some(settled) = dropped else {
                self.count_dropped(DropReason::Newest);
                return false;
            };
            out(settled, oldest, DropReason::Oldest);
        }
        true
    }

    /// Whether one more message of this size, beside those that are claimed, is beyond the limits.
    fn lacks_room(&self, bytes: u64) -> bool {
        let limits = self.options.limits;
        let claimed = u64::from(self.claimed);
        self.waiting_messages.saturating_add(claimed) >= limits.messages_max
            || self.waiting_bytes.saturating_add(bytes.saturating_mul(claimed + 1)) > limits.bytes_max
    }

    fn drop_one(&mut self, ordinal: u64, reason: DropReason) -> Option<Settled> {
        let settled = self.settle(ordinal)?;
        self.count_dropped(reason);
        Some(settled)
    }

    fn count_dropped(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason.index()) {
            *count += 1;
        }
        self.has_dropped_newest |= reason == DropReason::Newest;
    }
}
