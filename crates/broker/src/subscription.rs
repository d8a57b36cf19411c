//! What a subscriber asks for and how: the words of MQTT 5.0 section 3.8.3.1, without its wire.

use std::num::NonZeroU32;
use std::sync::Arc;

use message::{QoS, TopicFilter};

/// Names one subscriber within this process: a session's mailbox or a local one. Never reused while the router lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub(crate) u64);

/// One subscription as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub filter: TopicFilter,
    pub options: SubscribeOptions,
}

impl Subscription {
    /// Whether subscribing may bring retained messages; a shared subscription never does (MQTT 5.0 section 4.8.2).
    pub(crate) fn may_want_retained(&self) -> bool {
        self.options.retain_handling != RetainHandling::Never && self.filter.share_group().is_none()
    }

    /// Whether it brings them to a subscriber that had this subscription before, or not.
    pub(crate) fn wants_retained(&self, existed: bool) -> bool {
        self.may_want_retained() && !(existed && self.options.retain_handling == RetainHandling::IfNew)
    }
}

/// How a subscriber wants what its filter matches (MQTT 5.0 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubscribeOptions {
    /// The highest quality of service to deliver with.
    pub qos: QoS,
    /// Do not deliver what this subscriber published itself. Has no meaning for a shared subscription.
    pub no_local: bool,
    /// Keep the retain flag as the publisher set it; otherwise it is cleared on what is forwarded.
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
    /// Given back with every message that this subscription matched.
    pub identifier: Option<NonZeroU32>,
}

/// Whether subscribing brings the retained messages that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetainHandling {
    /// On every subscribe.
    #[default]
    Always = 0,
    /// Only when the subscriber did not have this subscription before.
    IfNew = 1,
    Never = 2,
}

/// The identifiers of the subscriptions through which a message came: none, one, or those of several that overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionIds(Ids);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Ids {
    #[default]
    None,
    One(NonZeroU32),
    Many(Arc<[NonZeroU32]>),
}

impl SubscriptionIds {
    pub fn as_slice(&self) -> &[NonZeroU32] {
        match &self.0 {
            Ids::None => &[],
            Ids::One(id) => std::slice::from_ref(id),
            Ids::Many(ids) => ids,
        }
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        if other.as_slice().is_empty() {
            return;
        }
        let all: Arc<[NonZeroU32]> = self.as_slice().iter().chain(other.as_slice()).copied().collect();
        *self = match &*all {
            [one] => Self::from(Some(*one)),
            _ => Self(Ids::Many(all)),
        };
    }
}

impl From<Vec<NonZeroU32>> for SubscriptionIds {
    fn from(ids: Vec<NonZeroU32>) -> Self {
        match *ids {
            [] => Self(Ids::None),
            [one] => Self(Ids::One(one)),
            _ => Self(Ids::Many(ids.into())),
        }
    }
}

impl From<Option<NonZeroU32>> for SubscriptionIds {
    fn from(id: Option<NonZeroU32>) -> Self {
        Self(id.map_or(Ids::None, Ids::One))
    }
}
