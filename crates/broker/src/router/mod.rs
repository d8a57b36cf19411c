//! Who gets which message. Publishers call it on their own threads, many at once: matching reads a tree that never
//! changes, delivering locks one mailbox at a time, and nothing is shared but what must be.

mod cache;
mod fan_out;
mod known;
mod passing;
mod placing;
mod postponed;
mod routed;
mod wakes;

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use foldhash::quality::FixedState;
use message::{DestinationId, Now, Publication, Timestamp, TopicFilter, TopicName, limits};
use parking_lot::{Mutex, RwLock};
use store::Revision;
use store::log::Intake;
use store::spool::{Ordinal, Spool};

use crate::collector::Collector;
use crate::counters::{Counters, Figures, Tally};
use crate::delivery::{Delivery, DropReason};
use crate::mailbox::{Mailbox, MailboxOptions};
use crate::promise::Promises;
use crate::retained::{Keeping, RestoredRetained, Retained, RetainedJournal, RetainedLimits, RetainedTopics};
use crate::subscription::{SubscribeOptions, SubscriberId, Subscription, SubscriptionIds};
use crate::tree::{Binding, Route, Tree};
pub use cache::RouteCache;
use fan_out::{FanOut, Towards};
use known::KnownRoutes;
use passing::Untaken;
pub use placing::Origin;
pub use postponed::Postponed;
pub use routed::Routed;
pub(crate) use wakes::Wakes;

/// How a router is made.
#[derive(Debug, Clone)]
pub struct RouterOptions {
    /// Chosen at random by the edge, so that nobody can send topics that collide; fixed in a simulation.
    pub hash_seed: u64,
    pub retained_messages_max: usize,
    pub retained_bytes_max: usize,
    /// Hears of every change of the retained messages.
    pub retained_journal: Option<Arc<dyn RetainedJournal>>,
    /// Keeps on disk what waits for sessions that outlive the process.
    pub spool: Option<Spool>,
}

impl RouterOptions {
    /// The default limits.
    pub fn new(hash_seed: u64) -> Self {
        Self {
            hash_seed,
            retained_messages_max: limits::RETAINED_MESSAGES_MAX,
            retained_bytes_max: limits::RETAINED_BYTES_MAX,
            retained_journal: None,
            spool: None,
        }
    }
}

/// Takes messages from publishers and puts them into the mailboxes of subscribers.
#[derive(Debug)]
pub struct Router {
    hasher: FixedState,
    /// The published tree. Read by everyone, written only with `changes` held.
    tree: ArcSwap<Tree>,
    /// The published tree's generation: one plain load tells a publisher that its routes still hold.
    generation: AtomicU64,
    known: KnownRoutes,
    changes: Mutex<Tree>,
    retained: Retained,
    /// Held shared while a retained message is kept and routed, alone while a subscription that wants retained
    /// messages comes in: each of the two sees all of the other or nothing, so no message is missed or comes twice.
    retained_gate: RwLock<()>,
    subscribers: AtomicU64,
    counters: Arc<Counters>,
    /// What retained messages on their way to disk count in.
    tally: Tally,
    spool: Option<Spool>,
}

/// How a message is brought.
struct Brought {
    origin: Origin,
    is_patient: bool,
    revision: Option<Revision>,
}

/// One change of the tree.
pub(crate) enum Change<'a> {
    Subscribe { mailbox: &'a Arc<Mailbox>, filter: &'a TopicFilter, options: SubscribeOptions },
    Unsubscribe { subscriber: SubscriberId, filter: &'a TopicFilter },
}

impl Router {
    pub fn new(options: RouterOptions) -> Arc<Self> {
        let hasher = FixedState::with_seed(options.hash_seed);
        let tree = Tree::new(hasher.clone());
        let limits =
            RetainedLimits { messages_max: options.retained_messages_max, bytes_max: options.retained_bytes_max };
        let counters = Arc::<Counters>::default();
        Arc::new(Self {
            tally: counters.tally(),
            generation: AtomicU64::new(tree.generation),
            tree: ArcSwap::from_pointee(tree.clone()),
            known: KnownRoutes::new(&hasher),
            changes: Mutex::new(tree),
            retained: Retained::new(limits, hasher.clone(), options.retained_journal),
            retained_gate: RwLock::new(()),
            subscribers: AtomicU64::new(1),
            counters,
            spool: options.spool,
            hasher,
        })
    }

    /// What one publisher brings to every publish: make one per connection, flow or other source.
    pub fn route_cache(&self) -> RouteCache {
        RouteCache::new(self.hasher.clone())
    }

    /// Sends a message to everyone who subscribed to its topic, and keeps it if it says so. `origin` is the
    /// publisher's own mailbox, if it has one: for "no local". Wakers of subscribers are called on this thread; they
    /// must not call back into the router.
    pub fn publish(&self, publication: Publication, origin: Option<SubscriberId>, cache: &mut RouteCache) -> Routed {
        self.publish_from(publication, origin.into(), cache)
    }

    /// As [`Router::publish`], with all that is to be known of the publisher.
    pub fn publish_from(&self, publication: Publication, origin: Origin, cache: &mut RouteCache) -> Routed {
        let routed = self.take(publication, origin, false, cache);
        // Who does not wait gets no message back.
        routed.unwrap_or_default()
    }

    /// As [`Router::publish_from`], for a publisher that waits while a log is crowded that the message is for, instead of
    /// being refused what the disk has room for a little later. Until then the message is back in its hands.
    pub fn publish_patiently(
        &self,
        publication: Publication,
        origin: Origin,
        cache: &mut RouteCache,
    ) -> Result<Routed, Box<Postponed>> {
        self.take(publication, origin, true, cache)
    }

    fn take(
        &self,
        mut publication: Publication,
        origin: Origin,
        is_patient: bool,
        cache: &mut RouteCache,
    ) -> Result<Routed, Box<Postponed>> {
        let bytes = publication.payload.len();
        // A queue or a stream keeps it anyway; kept beside it, it would come once more to each who subscribes.
        publication.retain = publication.retain && !publication.topic.is_of_destination();
        let routed = if publication.retain {
            self.take_retained(publication, origin, is_patient, cache)?
        } else {
            self.send(publication, Brought { origin, is_patient, revision: None }, cache, || ())?
        };
        // It is received once, however often it was brought.
        cache.tally.get_or_insert_with(|| self.counters.publisher_tally()).received(bytes);
        Ok(routed)
    }

    fn take_retained(
        &self,
        publication: Publication,
        origin: Origin,
        is_patient: bool,
        cache: &mut RouteCache,
    ) -> Result<Routed, Box<Postponed>> {
        let publication = Arc::new(fan_out::detach(publication));
        let mut promises = Promises::default();
        let mut is_full = false;
        let gate = self.retained_gate.read();
        // What the spool may have, and the store not, after a crash.
        let revision = origin.exactly_once.and_then(|_| self.retained.begin(&publication));
        let mut is_taken = false;
        // What is refused is not kept either.
        let once_taken = || {
            is_taken = true;
            is_full = self.retained.keep(&publication, revision, &mut promises) == Keeping::Full;
            // From here on the route says who gets it: a subscription that comes in now finds it in the store.
            drop(gate);
        };
        let brought = Brought { origin, is_patient, revision };
        let routed = self.send(Arc::clone(&publication), brought, cache, once_taken);
        if let Some(revision) = revision.filter(|_| !is_taken) {
            self.retained.forgo(revision);
        }
        let mut routed = routed?;
        if let (true, Some(tally)) = (is_full, &cache.tally) {
            tally.tally().dropped(DropReason::RetainedFull, 1);
        }
        routed.promises.merge(promises);
        Ok(routed)
    }

    /// `once_taken` is called when no one has refused the message, before it reaches anyone but the disk.
    fn send<P>(
        &self,
        publication: P,
        brought: Brought,
        cache: &mut RouteCache,
        once_taken: impl FnOnce(),
    ) -> Result<Routed, Box<Postponed>>
    where
        P: Borrow<Publication> + Into<Arc<Publication>>,
    {
        let RouteCache { routes, tally, wakes, placing } = cache;
        let tally = tally.get_or_insert_with(|| self.counters.publisher_tally()).tally();
        let Brought { origin, is_patient, revision } = brought;
        let to = Towards { origin, revision, is_patient, tally, wakes, placing };
        let topic = &publication.borrow().topic;
        match routes.recall(topic, self.generation.load(Ordering::Acquire), &self.known) {
            Ok(route) => self.fan_out(publication, route, to, once_taken),
            Err(unknown) => {
                let tree = self.tree.load();
                let route = tree.route(topic);
                route.prefetch();
                if unknown.came_before {
                    routes.put(self.known.keep(unknown.hash, topic, tree.generation, route.to_kept()));
                }
                self.fan_out(publication, &route, to, once_taken)
            }
        }
    }

    /// Takes back what a journal recorded before anyone publishes, where the spool holds `untold`, which the journal may not
    /// have. It is sent to nobody.
    pub fn restore_retained(&self, now: Timestamp, untold: Vec<(Revision, Publication)>) -> RestoredRetained<'_> {
        RestoredRetained::new(&self.retained, now, untold)
    }

    /// The retained messages that a filter matches, in no particular order; expired ones are left out.
    pub fn retained(&self, filter: &TopicFilter, now: Timestamp) -> Vec<Arc<Publication>> {
        let mut found = Vec::new();
        self.retained.topics().for_each_match(filter, &self.hasher, &mut |publication| {
            if publication.expiry_left_s(now) != Some(0) {
                found.push(Arc::clone(publication));
            }
        });
        found
    }

    /// How many subscribers a message to `topic` would reach now.
    pub fn reach(&self, topic: &TopicName) -> usize {
        let tree = self.tree.load();
        let route = tree.route(topic);
        route.targets.len() + route.groups.len()
    }

    /// When [`Router::handle_timeout`] should be called next: retained messages expire by the calendar.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.retained.next_expiry()
    }

    /// Forgets retained messages that have expired. Late is harmless: they are never delivered.
    pub fn handle_timeout(&self, now: Now) {
        self.retained.expire(now.wall);
    }

    /// All counters at this moment.
    pub fn figures(&self) -> Figures {
        let (retained_messages, retained_bytes) = self.retained.size();
        let tree = self.tree.load();
        Figures {
            subscriptions: tree.subscriptions as u64,
            shared_subscriptions: tree.shared_subscriptions as u64,
            retained_messages: retained_messages as u64,
            retained_bytes: retained_bytes as u64,
            ..self.counters.figures()
        }
    }

    pub(crate) fn hasher(&self) -> FixedState {
        self.hasher.clone()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.counters.tally()
    }

    pub(crate) fn mailbox(&self, options: MailboxOptions) -> Arc<Mailbox> {
        let id = SubscriberId(self.subscribers.fetch_add(1, Ordering::Relaxed));
        Arc::new(Mailbox::new(id, options))
    }

    /// The place of a collector among the subscribers.
    pub(crate) fn mailbox_of(&self, collector: Arc<dyn Collector>) -> Arc<Mailbox> {
        let id = SubscriberId(self.subscribers.fetch_add(1, Ordering::Relaxed));
        Arc::new(Mailbox::of_collector(id, collector))
    }

    /// A mailbox whose messages of QoS 1 and 2 lie on disk, those from `from` up to `next` already.
    pub(crate) fn mailbox_on_disk(
        &self,
        options: MailboxOptions,
        destination: DestinationId,
        from: Ordinal,
        next: Ordinal,
    ) -> Arc<Mailbox> {
        let id = SubscriberId(self.subscribers.fetch_add(1, Ordering::Relaxed));
        Arc::new(Mailbox::on_disk(id, options, destination, from, next))
    }

    /// Makes all changes visible in one step. Returns for each whether the subscription was there before.
    pub(crate) fn apply<'a>(&self, changes: impl IntoIterator<Item = Change<'a>>) -> Vec<bool> {
        let mut tree = self.changes.lock();
        let existed = changes.into_iter().map(|change| change.apply(&mut tree)).collect();
        tree.generation += 1;
        self.tree.store(Arc::new(tree.clone()));
        self.generation.store(tree.generation, Ordering::Release);
        existed
    }

    /// As [`Router::apply`] for a subscriber on disk: the retained messages that it wants are stored for it before
    /// anything newer can come. The promises say when they are safe.
    pub(crate) fn replay_and_apply<'a>(
        &self,
        now: Now,
        mailbox: &Arc<Mailbox>,
        wanted: impl Iterator<Item = &'a Subscription>,
        changes: impl IntoIterator<Item = Change<'a>>,
    ) -> Promises {
        let _gate = self.retained_gate.write();
        let retained = self.retained.topics();
        let mut promises = Promises::default();
        wanted.for_each(|subscription| promises.merge(self.replay(now, &retained, subscription, mailbox)));
        self.apply(changes);
        promises
    }

    /// As [`Router::apply`], with the retained messages as they were at that same moment: what is published before is
    /// among them, what is published after comes through the new subscriptions. `before` sees them before any change.
    pub(crate) fn apply_and_look<'a>(
        &self,
        before: impl FnOnce(&RetainedTopics),
        changes: impl IntoIterator<Item = Change<'a>>,
    ) -> (Vec<bool>, RetainedTopics) {
        let _gate = self.retained_gate.write();
        let retained = self.retained.topics();
        before(&retained);
        (self.apply(changes), retained)
    }

    /// How the spool takes in: whoever subscribes for a session on disk waits while it is crowded.
    pub fn intake(&self) -> Option<&Arc<Intake>> {
        self.spool.as_ref().map(Spool::intake)
    }

    /// Puts the retained messages that a new subscription matches into its subscriber's mailbox, or on its disk.
    pub(crate) fn replay(
        &self,
        now: Now,
        topics: &RetainedTopics,
        subscription: &Subscription,
        mailbox: &Arc<Mailbox>,
    ) -> Promises {
        // Who subscribes again and again without reading gets no more than the store may hold.
        if mailbox.replay_len() > limits::RETAINED_MESSAGES_MAX {
            return Promises::default();
        }
        let options = &subscription.options;
        let mut found = Vec::new();
        topics.for_each_match(&subscription.filter, &self.hasher, &mut |publication| {
            if publication.expiry_left_s(now.wall) != Some(0) {
                found.push(Delivery {
                    qos: publication.qos.min(options.qos),
                    retain: true,
                    identifiers: SubscriptionIds::from(options.identifier),
                    share: None,
                    place: None,
                    receipt: None,
                    weight_bytes: Delivery::weight_of(publication),
                    publication: Arc::clone(publication),
                });
            }
        });
        let promises = self.place_retained(mailbox, &mut found);
        mailbox.replay(found);
        promises
    }

    fn fan_out<M: Borrow<Arc<Mailbox>>>(
        &self,
        publication: impl Into<Arc<Publication>>,
        route: &Route<M>,
        to: Towards<'_>,
        once_taken: impl FnOnce(),
    ) -> Result<Routed, Box<Postponed>> {
        if route.is_empty() {
            once_taken();
            return Ok(Routed::default());
        }
        let tally = to.tally;
        let (mut routed, orphans) = FanOut::new(publication.into(), to).run(route, self.spool.as_ref(), once_taken)?;
        for (delivery, without) in orphans {
            match self.hand_on(&delivery, Some(without), |_| true, tally) {
                Ok(promises) => {
                    routed.matched += 1;
                    routed.promises.merge(promises);
                }
                Err(Untaken::NoRoom) => {
                    routed.matched += 1;
                    routed.dropped += 1;
                    tally.dropped(DropReason::Overflow, 1);
                }
                Err(Untaken::Alone) => {}
            }
        }
        Ok(routed)
    }
}

impl Change<'_> {
    fn apply(self, tree: &mut Tree) -> bool {
        match self {
            // What is sent to a queue is for its consumers, whom the queue chooses itself.
            Self::Subscribe { mailbox, filter, .. } if filter.is_of_destination() && mailbox.collector().is_none() => {
                false
            }
            Self::Subscribe { mailbox, filter, options } => tree.insert(filter, Binding::new(mailbox, options)),
            Self::Unsubscribe { subscriber, filter } => tree.remove(filter, subscriber),
        }
    }
}

#[cfg(test)]
mod tests;
