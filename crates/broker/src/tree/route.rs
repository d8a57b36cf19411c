//! The result of a match: where one topic's messages go. It borrows from the tree; a copy that is kept for more messages
//! of the topic does not.

use std::borrow::Borrow;
use std::sync::Arc;

use message::{DestinationId, QoS};

use super::Binding;
use super::ends::Members;
use crate::collector::Collector;
use crate::mailbox::Mailbox;
use crate::prefetch::prefetch;
use crate::share::Share;
use crate::subscription::{SubscribeOptions, SubscriberId, SubscriptionIds};

/// Everyone whom a topic's messages reach.
#[derive(Debug)]
pub(crate) struct Route<M = Arc<Mailbox>> {
    /// One per subscriber, however many of its subscriptions match.
    pub(crate) targets: Vec<Target<M>>,
    pub(crate) groups: Vec<Group<M>>,
    /// Known of a route that is kept.
    reach: Option<Reach>,
}

/// What kinds of subscribers a route leads to; none of them ever becomes another kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Some have messages of QoS 1 and 2 on disk.
    pub(crate) disk: bool,
    /// Some take messages at once.
    pub(crate) collectors: bool,
}

/// A route as read from a tree: counting its mailboxes' references would cost as much as the match.
pub(crate) type Matched<'t> = Route<&'t Arc<Mailbox>>;

/// One subscriber, with its overlapping subscriptions merged.
#[derive(Debug, Clone)]
pub(crate) struct Target<M = Arc<Mailbox>> {
    mailbox: M,
    pub(crate) subscriber: SubscriberId,
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
#[derive(Debug, Clone)]
enum Own {
    Same,
    /// All its subscriptions say "no local".
    Never,
    /// Some do: this is what the others grant.
    Reduced(Box<Grant>),
}

/// A shared subscription with its members.
#[derive(Debug, Clone)]
pub(crate) struct Group<M = Arc<Mailbox>> {
    pub(crate) share: Arc<Share>,
    pub(crate) members: Vec<Target<M>>,
}

/// Space to begin with when matching; more is taken when needed.
const TARGETS_USUAL: usize = 16;
/// Mailboxes that are fetched at a time: the processor has no room for more.
const PREFETCHED_TOGETHER: usize = 16;
/// Up to here each target is held against each other one; beyond, sorting is cheaper.
const COMPARED_MAX: usize = 16;

impl Route {
    /// The route of a topic that nobody subscribed to.
    pub(crate) const fn nowhere() -> Self {
        Self { targets: Vec::new(), groups: Vec::new(), reach: None }
    }

    /// Targets in this route, members of groups included: what it costs to keep.
    pub(crate) fn weight(&self) -> usize {
        self.targets.len() + self.groups.iter().map(|group| 1 + group.members.len()).sum::<usize>()
    }
}

impl<M> Route<M> {
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty()
    }
}

impl<M: Borrow<Arc<Mailbox>>> Route<M> {
    /// Fetches the mailboxes and the places in their queues, all together and not one after the other: with very many
    /// subscribers they are what a message costs.
    pub(crate) fn prefetch(&self) {
        for some in self.targets.chunks(PREFETCHED_TOGETHER) {
            some.iter().for_each(|target| prefetch(&**target.mailbox()));
            some.iter().for_each(|target| target.mailbox().prefetch_queue());
        }
    }

    /// Whom it leads to. Of a route that was just read all mailboxes are asked: they are to be fetched before.
    pub(crate) fn reach(&self) -> Reach {
        self.reach.unwrap_or_else(|| Reach {
            disk: self.everyone().any(|target| target.mailbox().destination().is_some()),
            collectors: self.targets.iter().any(|target| target.mailbox().collector().is_some()),
        })
    }

    fn everyone(&self) -> impl Iterator<Item = &Target<M>> {
        self.targets.iter().chain(self.groups.iter().flat_map(|group| &group.members))
    }
}

impl Matched<'_> {
    pub(super) fn with_space() -> Self {
        Self { targets: Vec::with_capacity(TARGETS_USUAL), groups: Vec::new(), reach: None }
    }

    /// A copy that outlives the tree.
    pub(crate) fn to_kept(&self) -> Route {
        Route {
            targets: self.targets.iter().map(Target::to_kept).collect(),
            groups: self.groups.iter().map(Group::to_kept).collect(),
            reach: Some(self.reach()),
        }
    }

    /// Makes one target of all that have the same subscriber.
    pub(super) fn merge(&mut self) {
        if self.targets.len() <= COMPARED_MAX && !self.has_twins() {
            return;
        }
        self.targets.sort_by_key(|target| target.subscriber);
        self.targets.dedup_by(|next, kept| {
            let same = next.subscriber == kept.subscriber;
            if same {
                kept.merge(next);
            }
            same
        });
    }

    fn has_twins(&self) -> bool {
        let mut rest = &*self.targets;
        while let [first, others @ ..] = rest {
            if others.iter().any(|other| other.subscriber == first.subscriber) {
                return true;
            }
            rest = others;
        }
        false
    }
}

impl<'t> Group<&'t Arc<Mailbox>> {
    pub(super) fn of(members: &'t Members) -> Self {
        let mut targets = Vec::new();
        members.bindings.for_each(&mut |binding| targets.push(Target::of(binding)));
        targets.sort_by_key(|target| target.subscriber);
        Self { share: Arc::clone(&members.share), members: targets }
    }

    fn to_kept(&self) -> Group {
        Group { share: Arc::clone(&self.share), members: self.members.iter().map(Target::to_kept).collect() }
    }
}

impl<'t> Target<&'t Arc<Mailbox>> {
    pub(super) fn of(binding: &'t Binding) -> Self {
        Self {
            mailbox: &binding.mailbox,
            subscriber: binding.subscriber,
            grant: Grant::from(&binding.options),
            own: if binding.options.no_local { Own::Never } else { Own::Same },
        }
    }

    fn to_kept(&self) -> Target {
        Target {
            mailbox: Arc::clone(self.mailbox),
            subscriber: self.subscriber,
            grant: self.grant.clone(),
            own: self.own.clone(),
        }
    }
}

impl<M: Borrow<Arc<Mailbox>>> Target<M> {
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        self.mailbox.borrow()
    }

    /// Where a message of this quality lies on disk for this subscriber.
    pub(crate) fn destination(&self, published: QoS, exactly_once: bool) -> Option<DestinationId> {
        let mailbox = self.mailbox();
        let takes = |collector: &dyn Collector| exactly_once || !collector.is_only_placed_exactly_once();
        let is_placed = published.min(self.grant.qos) > QoS::AtMostOnce && mailbox.collector().is_none_or(takes);
        mailbox.destination().filter(|_| is_placed)
    }
}

impl<M> Target<M> {
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
