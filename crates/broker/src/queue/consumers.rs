//! Who takes messages from a queue, and whose turn it is.

use std::collections::{BTreeMap, VecDeque};

use message::limits;

use super::output::DeliveryTag;

/// Names one consumer of one queue. Never reused while the queue lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub u64);

/// How much a consumer may have at a time. Who has fewer messages and fewer bytes than that gets one more, whatever it weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub messages_max: usize,
    pub bytes_max: usize,
}

/// So many messages, whatever they weigh.
impl From<usize> for Room {
    fn from(messages_max: usize) -> Self {
        Self { messages_max, bytes_max: usize::MAX }
    }
}

impl Room {
    const NONE: Self = Self { messages_max: 0, bytes_max: 0 };
}

/// The consumers of one queue. Those who have room for a message stand in a line: the first gets the next message and
/// goes to the end.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    known: BTreeMap<ConsumerId, Consumer>,
    line: VecDeque<ConsumerId>,
    next: u64,
}

#[derive(Debug)]
struct Consumer {
    room: Room,
    /// Messages that it has, also those that were given to others as it kept them for too long: who hangs does not get
    /// more and more of them.
    in_flight: usize,
    in_flight_bytes: usize,
    /// With what they weigh.
    overdue: BTreeMap<DeliveryTag, usize>,
    in_line: bool,
    /// Takes nothing for now, whatever room it has.
    crowded: bool,
    /// Takes nothing any more, but may acknowledge what it has.
    retired: bool,
}

impl Consumer {
    fn has_room(&self) -> bool {
        let Room { messages_max, bytes_max } = self.room;
        !self.retired && !self.crowded && self.in_flight < messages_max && self.in_flight_bytes < bytes_max
    }

    fn give_back(&mut self, bytes: usize) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
    }
}

impl Consumers {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn join(&mut self, room: Room) -> ConsumerId {
        let id = ConsumerId(self.next);
        self.next += 1;
        let consumer = Consumer {
            room: Room::NONE,
            in_flight: 0,
            in_flight_bytes: 0,
            overdue: BTreeMap::new(),
            in_line: false,
            crowded: false,
            retired: false,
        };
        self.known.insert(id, consumer);
        self.set_room(id, room);
        id
    }

    pub(super) fn set_room(&mut self, id: ConsumerId, room: Room) {
        if let Some(consumer) = self.known.get_mut(&id) {
            consumer.room = Room { messages_max: room.messages_max.min(limits::QUEUE_HELD_MESSAGES_MAX), ..room };
        }
        self.line_up(id);
    }

    pub(super) fn set_crowded(&mut self, id: ConsumerId, crowded: bool) {
        if let Some(consumer) = self.known.get_mut(&id) {
            consumer.crowded = crowded;
        }
        self.line_up(id);
    }

    /// Returns how many messages it may still have.
    pub(super) fn leave(&mut self, id: ConsumerId) -> usize {
        self.known.remove(&id).map_or(0, |consumer| consumer.in_flight - consumer.overdue.len())
    }

    pub(super) fn retire(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.known.get_mut(&id) {
            consumer.retired = true;
            for bytes in std::mem::take(&mut consumer.overdue).into_values() {
                consumer.give_back(bytes);
            }
        }
        self.forget_retired(id);
    }

    /// Whether anyone can take a message.
    pub(super) fn is_anyone_ready(&mut self) -> bool {
        while let Some(first) = self.line.front() {
            match self.known.get_mut(first) {
                Some(consumer) if consumer.has_room() => return true,
                Some(consumer) => consumer.in_line = false,
                None => {}
            }
            self.line.pop_front();
        }
        false
    }

    /// Whose turn it is of those who can take a message that some cannot.
    pub(super) fn first_but(&self, refused_by: &[ConsumerId]) -> Option<ConsumerId> {
        let has_room = |id: &ConsumerId| self.known.get(id).is_some_and(Consumer::has_room);
        self.line.iter().find(|id| !refused_by.contains(id) && has_room(id)).copied()
    }

    /// Whether there is someone, with room or without, who has not refused a message.
    pub(super) fn has_other_than(&self, refused_by: &[ConsumerId]) -> bool {
        self.known.iter().any(|(id, consumer)| !consumer.retired && !refused_by.contains(id))
    }

    /// Whether it is there and takes messages.
    pub(super) fn is_taking(&self, id: ConsumerId) -> bool {
        self.known.get(&id).is_some_and(|consumer| !consumer.retired)
    }

    /// Gives a message of so many bytes to someone out of turn or, without a name, to whoever's turn it is.
    pub(super) fn take_turn(&mut self, of: Option<ConsumerId>, bytes: usize) -> Option<ConsumerId> {
        if !self.is_anyone_ready() {
            return None;
        }
        let place = of.map_or(Some(0), |of| self.line.iter().position(|id| *id == of))?;
        let id = self.line.remove(place)?;
        let consumer = self.known.get_mut(&id)?;
        consumer.in_flight += 1;
        consumer.in_flight_bytes += bytes;
        consumer.in_line = false;
        self.line_up(id);
        Some(id)
    }

    /// A message is no longer with this consumer.
    pub(super) fn give_back(&mut self, id: ConsumerId, bytes: usize) {
        if let Some(consumer) = self.known.get_mut(&id) {
            consumer.give_back(bytes);
        }
        self.line_up(id);
        self.forget_retired(id);
    }

    /// The consumer has kept the message for too long. Its room stays taken until it says something about it.
    pub(super) fn overdue(&mut self, id: ConsumerId, tag: DeliveryTag, bytes: usize) {
        match self.known.get_mut(&id) {
            Some(consumer) if !consumer.retired => {
                consumer.overdue.insert(tag, bytes);
            }
            _ => self.give_back(id, bytes),
        }
    }

    /// The consumer said something about a message that was overdue. Returns whether it was.
    pub(super) fn settle_overdue(&mut self, id: ConsumerId, tag: DeliveryTag) -> bool {
        let bytes = self.known.get_mut(&id).and_then(|consumer| consumer.overdue.remove(&tag));
        if let Some(bytes) = bytes {
            self.give_back(id, bytes);
        }
        bytes.is_some()
    }

    fn line_up(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.known.get_mut(&id)
            && consumer.has_room()
            && !consumer.in_line
        {
            consumer.in_line = true;
            self.line.push_back(id);
        }
    }

    fn forget_retired(&mut self, id: ConsumerId) {
        if self.known.get(&id).is_some_and(|consumer| consumer.retired && consumer.in_flight == 0) {
            self.known.remove(&id);
        }
    }
}
