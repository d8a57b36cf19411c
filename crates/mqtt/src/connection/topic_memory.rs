//! Topics that a connection has seen lately. A device publishes to few topics again and again: one that is known
//! need not be checked again, byte for byte, and needs no text of its own.

use std::hash::BuildHasher;

use message::{TopicName, limits};

/// A table in which each topic has one place, found by its hash. A topic is remembered when it is seen for the second
/// time in a row in its place, so that topics that never repeat cost no memory.
#[derive(Debug, Default)]
pub(super) struct TopicMemory {
    /// Empty until the first topic; grows while topics push each other out, up to its limit.
    places: Vec<Place>,
}

/// Most devices publish to a few topics.
const PLACES_MIN: usize = 4;

#[derive(Debug, Clone, Default)]
struct Place {
    hash: u64,
    topic: Option<TopicName>,
}

impl TopicMemory {
    /// The topic with these bytes, if it is remembered.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<TopicName> {
        let place = self.places.get(self.place_of(hash(bytes)))?;
        place.topic.as_ref().filter(|topic| topic.as_bytes() == bytes).cloned()
    }

    /// Notes a topic that [`find`](Self::find) did not know.
    pub(super) fn note(&mut self, topic: &TopicName) {
        let hash = hash(topic.as_bytes());
        if self.places.is_empty() {
            self.places.resize(PLACES_MIN, Place::default());
        }
        while self.is_taken_by_another(hash) && self.places.len() < limits::MQTT_TOPICS_REMEMBERED {
            self.grow();
        }
        let index = self.place_of(hash);
        if let Some(place) = self.places.get_mut(index) {
            // Detached, so that the topic does not keep the read buffer alive.
            place.topic = (place.hash == hash).then(|| topic.detach());
            place.hash = hash;
        }
    }

    fn is_taken_by_another(&self, hash: u64) -> bool {
        let place = self.places.get(self.place_of(hash));
        place.is_some_and(|place| place.hash != hash && place.hash != Place::default().hash)
    }

    fn grow(&mut self) {
        let twice = vec![Place::default(); self.places.len() * 2];
        for place in std::mem::replace(&mut self.places, twice) {
            let index = self.place_of(place.hash);
            if let Some(free) = self.places.get_mut(index).filter(|_| place.hash != Place::default().hash) {
                *free = place;
            }
        }
    }

    /// The number of places is a power of two, or zero.
    #[inline]
    fn place_of(&self, hash: u64) -> usize {
        (hash as usize) & self.places.len().wrapping_sub(1)
    }
}

#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_remembered_when_it_repeats() {
        let mut memory = TopicMemory::default();
        let topic = TopicName::parse("plc/1").unwrap();
        assert_eq!(memory.find(b"plc/1"), None);
        memory.note(&topic);
        assert_eq!(memory.find(b"plc/1"), None);
        memory.note(&topic);
        assert_eq!(memory.find(b"plc/1"), Some(topic));
        assert_eq!(memory.find(b"plc/2"), None);
    }

    #[test]
    fn topics_that_never_repeat_are_not_kept() {
        let mut memory = TopicMemory::default();
        for number in 0..10_000 {
            memory.note(&TopicName::parse(&format!("request/{number}")).unwrap());
        }
        assert!(memory.places.iter().all(|place| place.topic.is_none()));
        assert_eq!(memory.places.len(), limits::MQTT_TOPICS_REMEMBERED);
    }

    #[test]
    fn it_grows_with_the_topics_and_keeps_those_that_it_knows() {
        let mut memory = TopicMemory::default();
        let topics: Vec<_> = (0..16).map(|number| TopicName::parse(&format!("plc/{number}")).unwrap()).collect();
        memory.note(&topics[0]);
        memory.note(&topics[0]);
        assert_eq!(memory.places.len(), PLACES_MIN);
        for topic in topics[1..].iter().chain(&topics[1..]) {
            memory.note(topic);
        }
        assert!(memory.places.len() > PLACES_MIN);
        let known = topics.iter().filter(|topic| memory.find(topic.as_bytes()).is_some()).count();
        assert!(known > 8, "{known} of 16");
    }
}
