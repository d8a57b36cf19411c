//! Topic aliases of one connection, as a client keeps them (MQTT 5.0 section 3.3.2.3.4).

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use message::TopicName;

/// Aliases that the device uses towards the node.
#[derive(Debug, Default)]
pub(super) struct OutboundAliases {
    max: usize,
    topics: Vec<TopicName>,
}

impl OutboundAliases {
    /// Begins a connection to a node that takes `max` aliases.
    pub(super) fn begin(&mut self, max: u16) {
        self.max = usize::from(max);
        self.topics.clear();
    }

    /// The alias of a topic, if it gets one, and whether the node knows it already.
    pub(super) fn take(&mut self, topic: &TopicName) -> (Option<NonZeroU16>, bool) {
        let known = self.topics.iter().position(|known| known == topic);
        let place = known.or_else(|| {
            (self.topics.len() < self.max).then(|| {
                self.topics.push(topic.clone());
                self.topics.len() - 1
            })
        });
        let alias = place.and_then(|place| NonZeroU16::new(u16::try_from(place + 1).ok()?));
        (alias, known.is_some())
    }
}

/// Aliases that the node uses towards the device.
#[derive(Debug, Default)]
pub(super) struct InboundAliases {
    max: u16,
    topics: BTreeMap<NonZeroU16, TopicName>,
}

impl InboundAliases {
    pub(super) fn begin(&mut self, max: u16) {
        self.max = max;
        self.topics.clear();
    }

    /// The topic that the node means; panics when the node uses an alias that it may not.
    pub(super) fn resolve(&mut self, alias: Option<NonZeroU16>, topic: Option<TopicName>) -> TopicName {
        if let Some(alias) = alias {
            assert!(alias.get() <= self.max, "alias {alias} is above {}", self.max);
            if let Some(topic) = topic {
                self.topics.insert(alias, topic.clone());
                return topic;
            }
            let known = self.topics.get(&alias).cloned();
            return known.unwrap_or_else(|| panic!("alias {alias} was never introduced"));
        }
        topic.unwrap_or_else(|| panic!("a message has neither a topic nor an alias"))
    }
}
