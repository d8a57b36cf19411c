//! Topics that a connection has seen lately. A device publishes to few topics again and again: one that is known
//! need not be checked again, byte for byte, and needs no text of its own.

use std::hash::BuildHasher;

use message::{TopicName, limits};

/// A table in which each topic has one place, found by its hash. A topic is remembered when it is seen for the second
/// time in a row in its place, so that topics that never repeat cost no memory.
#[derive(Debug, Default)]
pub(super) struct TopicMemory {
    /// Empty until the first topic.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Default)]
struct Place {
    hash: u64,
    topic: Option<TopicName>,
}

impl TopicMemory {
    /// The topic with these bytes, if it is remembered.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<TopicName> {
        let place = self.places.get(place_of(hash(bytes)))?;
        place.topic.as_ref().filter(|topic| topic.as_bytes() == bytes).cloned()
    }

    /// Notes a topic that [`find`](Self::find) did not know.
    pub(super) fn note(&mut self, topic: &TopicName) {
        if self.places.is_empty() {
            self.places.resize(limits::MQTT_TOPICS_REMEMBERED, Place::default());
        }
        let hash = hash(topic.as_bytes());
        if let Some(place) = self.places.get_mut(place_of(hash)) {
            // Detached, so that the topic does not keep the read buffer alive.
            place.topic = (place.hash == hash).then(|| topic.detach());
            place.hash = hash;
        }
    }
}

#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one(bytes)
}

#[inline]
fn place_of(hash: u64) -> usize {
    (hash as usize) & (limits::MQTT_TOPICS_REMEMBERED - 1)
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
    }
}
