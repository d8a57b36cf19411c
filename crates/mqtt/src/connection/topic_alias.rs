//! Topic aliases, sections 3.3.2.3.4: a number that stands for a topic, for one connection and one direction.

use std::num::NonZeroU16;

use message::TopicName;

use super::Violation;
use super::topic_memory::hash;

/// The aliases that the client has set.
#[derive(Debug)]
pub(super) struct InboundAliases {
    alias_max: u16,
    /// Place `n` is alias `n + 1`; grown as they are used.
    topics: Vec<Option<TopicName>>,
}

impl InboundAliases {
    pub(super) fn new(alias_max: u16) -> Self {
        Self { alias_max, topics: Vec::new() }
    }

    /// The topic of a message with an alias: the one given, which the alias stands for from now on, or the one that it
    /// stands for.
    pub(super) fn resolve(&mut self, alias: NonZeroU16, topic: Option<TopicName>) -> Result<TopicName, Violation> {
        if alias.get() > self.alias_max {
            return Err(Violation::TopicAliasTooHigh { alias, topic_alias_max: self.alias_max });
        }
        let place = usize::from(alias.get() - 1);
        let Some(topic) = topic else {
            return self.topics.get(place).cloned().flatten().ok_or(Violation::TopicAliasUnknown { alias });
        };
        if place >= self.topics.len() {
            self.topics.resize(place + 1, None);
        }
        if let Some(known) = self.topics.get_mut(place) {
            // Detached, so that the topic does not keep the read buffer alive.
            *known = Some(topic.detach());
        }
        Ok(topic)
    }
}

/// The aliases that are used towards the client: each topic has one place, found by its hash, and gets the alias of
/// that place if it is free, else when it is sent for the second time in a row there.
#[derive(Debug)]
pub(super) struct OutboundAliases {
    /// Place `n` is alias `n + 1`; empty until the first delivery, for ever if the client allows none.
    places: Vec<Place>,
    alias_max: u16,
}

#[derive(Debug, Clone, Default)]
struct Place {
    hash: u64,
    /// What the client takes the alias for.
    topic: Option<TopicName>,
}

/// How a topic is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AliasUse {
    /// The topic alone.
    None,
    /// Topic and alias: the client learns the alias.
    Introduce(NonZeroU16),
    /// The alias alone.
    Replace(NonZeroU16),
}

/// Bytes that an alias takes in a packet: shorter topics are not worth one.
const ALIAS_BYTES: usize = 3;

impl OutboundAliases {
    pub(super) fn new(alias_max: u16) -> Self {
        Self { places: Vec::new(), alias_max }
    }

    /// How to write a topic. When the packet is written, [`introduced`](Self::introduced) is told.
    #[inline]
    pub(super) fn choose(&mut self, topic: &TopicName) -> AliasUse {
        if self.alias_max == 0 || topic.as_str().len() <= ALIAS_BYTES {
            return AliasUse::None;
        }
        if self.places.is_empty() {
            self.places.resize(usize::from(self.alias_max), Place::default());
        }
        let hash = hash(topic.as_bytes());
        let index = (hash % self.places.len() as u64) as usize;
        let (Some(place), Some(alias)) = (self.places.get_mut(index), NonZeroU16::new(index as u16 + 1)) else {
            return AliasUse::None;
        };
        if place.topic.as_ref() == Some(topic) {
            place.hash = hash;
            return AliasUse::Replace(alias);
        }
        let again = std::mem::replace(&mut place.hash, hash) == hash;
        // A free place is taken at once; one in use only by a topic that comes twice in a row.
        if again || place.topic.is_none() { AliasUse::Introduce(alias) } else { AliasUse::None }
    }

    /// The packet that introduces an alias is written.
    pub(super) fn introduced(&mut self, alias: NonZeroU16, topic: &TopicName) {
        if let Some(place) = self.places.get_mut(usize::from(alias.get() - 1)) {
            place.topic = Some(topic.detach());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> TopicName {
        TopicName::parse(text).unwrap()
    }

    fn alias(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

    #[test]
    fn an_alias_stands_for_the_topic_that_it_came_with_last() {
        let mut aliases = InboundAliases::new(2);
        assert_eq!(aliases.resolve(alias(2), None), Err(Violation::TopicAliasUnknown { alias: alias(2) }));
        assert_eq!(aliases.resolve(alias(2), Some(topic("a"))), Ok(topic("a")));
        assert_eq!(aliases.resolve(alias(2), None), Ok(topic("a")));
        assert_eq!(aliases.resolve(alias(2), Some(topic("b"))), Ok(topic("b")));
        assert_eq!(aliases.resolve(alias(2), None), Ok(topic("b")));
        assert_eq!(aliases.resolve(alias(1), None), Err(Violation::TopicAliasUnknown { alias: alias(1) }));
        let too_high = Violation::TopicAliasTooHigh { alias: alias(3), topic_alias_max: 2 };
        assert_eq!(aliases.resolve(alias(3), Some(topic("c"))), Err(too_high));
    }

    #[test]
    fn a_repeated_topic_gets_an_alias_and_then_gives_way_to_it() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.choose(&topic("plc/1")), AliasUse::Introduce(alias(1)));
        aliases.introduced(alias(1), &topic("plc/1"));
        assert_eq!(aliases.choose(&topic("plc/1")), AliasUse::Replace(alias(1)));
        assert_eq!(aliases.choose(&topic("plc/2")), AliasUse::None);
        assert_eq!(aliases.choose(&topic("plc/1")), AliasUse::Replace(alias(1)));
        assert_eq!(aliases.choose(&topic("plc/2")), AliasUse::None);
        assert_eq!(aliases.choose(&topic("plc/2")), AliasUse::Introduce(alias(1)));
        aliases.introduced(alias(1), &topic("plc/2"));
        assert_eq!(aliases.choose(&topic("plc/2")), AliasUse::Replace(alias(1)));
    }

    #[test]
    fn no_alias_is_used_where_none_is_allowed_or_worth_it() {
        let mut none = OutboundAliases::new(0);
        let mut one = OutboundAliases::new(1);
        for _ in 0..3 {
            assert_eq!(none.choose(&topic("plc/1")), AliasUse::None);
            assert_eq!(one.choose(&topic("a/b")), AliasUse::None);
        }
    }
}
