//! The result of a match: where one topic's messages go. Made once per topic and version of the tree, then kept by
//! the publisher.

use std::sync::Arc;

use message::{DestinationId, QoS};

use super::Binding;
use super::node::{Members, Subscribers};
use crate::collector::Collector;
use crate::mailbox::Mailbox;
use crate::share::Share;
use crate::subscription::{SubscribeOptions, SubscriptionIds};

/// Everyone whom a topic's messages reach.
#[derive(Debug)]
pub(crate) struct Route {
    /// One per subscriber, however many of its subscriptions match.
    pub(crate) targets: Vec<Target>,
    pub(crate) groups: Vec<Group>,
    /// Some of them have messages of QoS 1 and 2 on disk.
    pub(crate) reaches_disk: bool,
}

/// One subscriber, with its overlapping subscriptions merged.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) grant: Grant,
    own: Own,
}

/// How a subscriber gets a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) identifiers: SubscriptionIds,
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
}

/// How a subscriber gets what it published itself.
#[derive(Debug)]
enum Own {
    Same,
    /// All its subscriptions say "no local".
    Never,
    /// Some do: this is what the others grant.
    Reduced(Box<Grant>),
}

/// A shared subscription with its members.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) share: Arc<Share>,
    pub(crate) members: Vec<Target>,
}

impl Route {
    /// The route of a topic that nobody subscribed to.
    pub(crate) const fn nowhere() -> Self {
        Self { targets: Vec::new(), groups: Vec::new(), reaches_disk: false }
    }

    pub(super) fn of(found: &[&Subscribers]) -> Self {
        let mut route = Self { targets: Vec::with_capacity(found.len()), ..Self::nowhere() };
        for subscribers in found {
            subscribers.direct.for_each(&mut |_, binding| route.targets.push(Target::of(binding)));
            subscribers.groups.for_each(&mut |_, members| route.groups.push(Group::of(members)));
        }
        // Only subscriptions of different filters can be of the same subscriber.
        if found.len() > 1 {
            route.merge();
        }
        let members = route.groups.iter().flat_map(|group| &group.members);
        route.reaches_disk = route.targets.iter().chain(members).any(|target| target.mailbox.destination().is_some());
        route
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty()
    }

    /// Targets in this route, members of groups included: what it costs to keep.
    pub(crate) fn weight(&self) -> usize {
        self.targets.len() + self.groups.iter().map(|group| 1 + group.members.len()).sum::<usize>()
    }

    fn merge(&mut self) {
        self.targets.sort_by_key(|target| target.mailbox.id());
        self.targets.dedup_by(|next, kept| {
            let same = next.mailbox.id() == kept.mailbox.id();
            if same {
                kept.merge(next);
            }
            same
        });
    }
}

impl Group {
    pub(super) fn of(members: &Members) -> Self {
        let mut targets = Vec::new();
        members.bindings.for_each(&mut |_, binding| targets.push(Target::of(binding)));
        targets.sort_by_key(|target| target.mailbox.id());
        Self { share: Arc::clone(&members.share), members: targets }
    }
}

impl Target {
    /// Where a message of this quality lies on disk for this subscriber.
    pub(crate) fn destination(&self, published: QoS, exactly_once: bool) -> Option<DestinationId> {
        let takes = |collector: &dyn Collector| exactly_once || !collector.is_only_placed_exactly_once();
        let is_placed = published.min(self.grant.qos) > QoS::AtMostOnce && self.mailbox.collector().is_none_or(takes);
        self.mailbox.destination().filter(|_| is_placed)
    }

    fn of(binding: &Binding) -> Self {
        Self {
            mailbox: Arc::clone(&binding.mailbox),
            grant: Grant::from(&binding.options),
            own: if binding.options.no_local { Own::Never } else { Own::Same },
        }
    }

    /// What this subscriber is granted of its own messages, if anything.
    pub(crate) fn own_grant(&self) -> Option<&Grant> {
        match &self.own {
            Own::Same => Some(&self.grant),
            Own::Never => None,
            Own::Reduced(grant) => Some(grant),
        }
    }

    fn merge(&mut self, other: &Self) {
        let own = match (self.own_grant(), other.own_grant()) {
            (Some(one), Some(two)) => Some(one.merged(two)),
            (one, two) => one.or(two).cloned(),
        };
        self.grant = self.grant.merged(&other.grant);
        self.own = match own {
            None => Own::Never,
            Some(own) if own == self.grant => Own::Same,
            Some(own) => Own::Reduced(Box::new(own)),
        };
    }
}

impl Grant {
    /// One copy for overlapping subscriptions, as MQTT 5.0 section 3.3.4 allows: the highest quality of service,
    /// every identifier, and the retain flag as published if any of them asked for it.
    fn merged(&self, other: &Self) -> Self {
        let mut identifiers = self.identifiers.clone();
        identifiers.extend(&other.identifiers);
        Self {
            identifiers,
            qos: self.qos.max(other.qos),
            retain_as_published: self.retain_as_published || other.retain_as_published,
        }
    }
}

impl From<&SubscribeOptions> for Grant {
    fn from(options: &SubscribeOptions) -> Self {
        Self {
            identifiers: SubscriptionIds::from(options.identifier),
            qos: options.qos,
            retain_as_published: options.retain_as_published,
        }
    }
}
