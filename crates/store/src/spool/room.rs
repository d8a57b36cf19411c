//! What becomes of a message that finds the disk, or the spool as a whole, full: as the policies of its destinations say.
//!
//! One that refuses refuses it for all. Where all drop what is new, it is dropped. Otherwise the oldest segment goes in which
//! only destinations have messages that drop their oldest, whether the message is for them or not: the disk is theirs
//! together, and dropping anything else would give nothing back.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use message::{DestinationId, limits};

use super::Spool;
use super::destination::Destination;
use super::options::DropReason;
use super::placement::Placement;
use super::state::State;
use crate::FullPolicy;
use crate::log::{AppendError, Segment};

/// Room that is being made: what a segment has whose file is about to go. It is let go of when the file is gone.
#[derive(Debug, Default)]
pub(super) struct Coming {
    bytes: u64,
    segment: Weak<Segment>,
}

/// Which limits do not count for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    Nothing,
    /// That of bytes which wait for the disk.
    Waiting,
}

/// What may be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    /// All its destinations drop it.
    DropNewest,
}

impl Spool {
    /// Whether a message may be appended, and if not why.
    pub(super) fn find_room(
        &self,
        state: &mut State,
        bytes: usize,
        to: &[Placement],
        beyond: Beyond,
    ) -> Result<Verdict, AppendError> {
        let room = match beyond {
            Beyond::Nothing => self.log.room(&state.tail, bytes),
            Beyond::Waiting => self.log.room_on_disk(state.tail.waiting_bytes(), bytes),
        };
        let short = match room.refusal() {
            Some(error @ AppendError::NoRoom { .. }) => Some(error),
            Some(error) => return Err(error),
            None => None,
        };
        let held = state.bytes();
        let is_over = held.saturating_add(bytes as u64) > state.options.bytes_max;
        let error = match short {
            Some(error) => error,
            None if is_over => AppendError::LogFull { bytes: held },
            None => return Ok(Verdict::Append),
        };
        match state.policy_of(to) {
            FullPolicy::Refuse => Err(error),
            FullPolicy::DropNewest => Ok(Verdict::DropNewest),
            // What is dropped makes no file.
            FullPolicy::DropOldest | FullPolicy::KeepLastPerKey if self.log.is_fileless() => Err(error),
            FullPolicy::DropOldest | FullPolicy::KeepLastPerKey => {
                let is_there = |state: &State| self.has_room_soon(state, bytes);
                if is_there(state) || (state.drop_oldest_segment() && is_there(state)) {
                    return Ok(Verdict::Append);
                }
                Err(error)
            }
        }
    }

    /// Whether a destination takes so many more messages of so many bytes together, and the disk has room for them; if not,
    /// why. Others may be quicker.
    pub fn has_room_for(&self, destination: DestinationId, messages: u64, bytes: u64) -> Result<(), AppendError> {
        let state = self.log.lock();
        if let Some(poisoned) = self.log.marks.poisoned() {
            return Err(poisoned.into());
        }
        let found = state.destinations.get(&destination);
        if found.is_some_and(|found| found.refuses(messages, bytes)) {
            return Err(AppendError::Refused);
        }
        let held = state.bytes();
        if held.saturating_add(bytes) > state.options.bytes_max {
            return Err(AppendError::LogFull { bytes: held });
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.log.look_at_room();
        self.log.room_on_disk(state.tail.waiting_bytes(), bytes).refusal().map_or(Ok(()), Err)
    }

    /// There is room, or will be when what is dropped is off the disk.
    fn has_room_soon(&self, state: &State, bytes: usize) -> bool {
        if state.bytes().saturating_add(bytes as u64) > state.options.bytes_max {
            return false;
        }
        let coming = state.coming.segment.upgrade().map_or(0, |_| state.coming.bytes);
        let waiting = state.tail.waiting_bytes().saturating_add(bytes) as u64;
        let free_bytes = self.log.look_at_room();
        free_bytes >= waiting.saturating_add(limits::LOG_DISK_RESERVE_LEAST_BYTES)
            && free_bytes.saturating_add(coming) >= waiting.saturating_add(limits::LOG_DISK_RESERVE_BYTES)
    }
}

impl Destination {
    /// Whether it refuses what comes rather than to drop something, and has not so much room.
    fn refuses(&self, messages: u64, bytes: u64) -> bool {
        let limits = self.options.limits;
        self.options.policy == FullPolicy::Refuse
            && (self.waiting_messages.saturating_add(messages) > limits.messages_max
                || self.waiting_bytes.saturating_add(bytes) > limits.bytes_max)
    }
}

impl State {
    /// The policy that counts for a message to these destinations: that of the strictest.
    fn policy_of(&self, to: &[Placement]) -> FullPolicy {
        let known = to.iter().filter_map(|placement| self.destinations.get(&placement.destination));
        let mut policies = known.map(|destination| destination.options.policy).peekable();
        if policies.peek().is_none() {
            return FullPolicy::Refuse;
        }
        let (mut refuses, mut makes_room) = (false, false);
        for policy in policies {
            refuses |= policy == FullPolicy::Refuse;
            makes_room |= matches!(policy, FullPolicy::DropOldest | FullPolicy::KeepLastPerKey);
        }
        match (refuses, makes_room) {
            (true, _) => FullPolicy::Refuse,
            (false, true) => FullPolicy::DropOldest,
            (false, false) => FullPolicy::DropNewest,
        }
    }

    /// Drops what waits in the oldest segment in which nothing waits but for destinations that drop their oldest.
    fn drop_oldest_segment(&mut self) -> bool {
        let drops_oldest = |policy| matches!(policy, FullPolicy::DropOldest | FullPolicy::KeepLastPerKey);
        let mut kept: HashSet<u64> = self.rewriting.iter().copied().collect();
        for destination in self.destinations.values().filter(|found| !drops_oldest(found.options.policy)) {
            kept.extend(destination.extents.iter().filter(|extent| extent.live > 0).map(|extent| extent.segment));
        }
        let oldest = self.segments.values().find(|sealed| !kept.contains(&sealed.segment.base));
        let Some(oldest) = oldest else { return false };
        let base = oldest.segment.base;
        self.coming = Coming { bytes: oldest.bytes, segment: Arc::downgrade(&oldest.segment) };
        let ids: Vec<DestinationId> = self.destinations.keys().copied().collect();
        for id in ids {
            let Some(destination) = self.destinations.get(&id) else { continue };
            let index = destination.extents.partition_point(|extent| extent.segment < base);
            let extent = destination.extents.get(index).filter(|extent| extent.segment == base && extent.live > 0);
            let Some((first, end)) = extent.map(|extent| (extent.first, extent.end())) else { continue };
            let mut waiting = destination.waiting_within(first, end, usize::MAX);
            self.settle(id, Some(DropReason::Oldest), &mut waiting);
        }
        true
    }
}
