//! A subscriber inside the node: a flow, the bridge, an HTTP stream. It has a mailbox but no session: it is gone when
//! it is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::Waker;

use message::{Now, TopicFilter};
use parking_lot::Mutex;

use crate::collector::{Rebinding, Rebound};
use crate::counters::Tally;
use crate::delivery::{Delivery, DropReason};
use crate::mailbox::{Drained, Heir, Mailbox, MailboxOptions, Succession};
use crate::retained::RetainedTopics;
use crate::router::{Change, Router};
use crate::subscription::{SubscriberId, Subscription};

/// A mailbox with subscriptions. It may be shared: one thread drains while another changes the subscriptions.
#[derive(Debug)]
pub struct LocalSubscriber {
    router: Arc<Router>,
    mailbox: Arc<Mailbox>,
    subscriptions: Mutex<Vec<Subscription>>,
    /// Who took over: gets what comes in after this one closed.
    succession: Arc<Succession>,
    /// The successions in which this one is an heir.
    inherits: Mutex<Vec<Weak<Succession>>>,
    tally: Tally,
}

impl LocalSubscriber {
    /// Opens a mailbox that nothing comes into yet.
    pub fn open(router: &Arc<Router>, options: MailboxOptions) -> Self {
        Self {
            mailbox: router.mailbox(options),
            tally: router.tally(),
            router: Arc::clone(router),
            subscriptions: Mutex::default(),
            succession: Arc::default(),
            inherits: Mutex::default(),
        }
    }

    /// To be given as `origin` when this subscriber publishes.
    pub fn id(&self) -> SubscriberId {
        self.mailbox.id()
    }

    /// Called when the mailbox is no longer empty; drain once after setting it.
    pub fn set_waker(&self, waker: Waker) {
        self.mailbox.set_waker(waker);
    }

    /// Adds subscriptions, all in one step; one with the same filter is replaced. Retained messages come first.
    pub fn subscribe(&self, now: Now, subscriptions: Vec<Subscription>) {
        switch(&self.router, now, &[], vec![(self, subscriptions)]);
    }

    /// Moves up to `messages_max` messages to the end of `batch`, without those that have expired. Returns whether
    /// more wait; otherwise the waker will be called. A publisher that waits for room is let go below the low-water mark.
    pub fn drain(&self, now: Now, batch: &mut VecDeque<Delivery>, messages_max: usize) -> bool {
        let before = batch.len();
        let more = self.mailbox.drain(batch, messages_max) == Drained::More;
        let expired = drop_expired(now, batch, before);
        if expired > 0 {
            self.tally.dropped(DropReason::Expired, expired);
        }
        let taken = batch.range(before..);
        let messages = taken.len() as u64;
        self.tally.sent(messages, taken.map(|delivery| delivery.publication.payload.len() as u64).sum());
        more
    }

    /// Messages that wait.
    pub fn depth(&self) -> usize {
        self.mailbox.depth_and_dropped().0
    }

    /// Messages that this mailbox dropped because it was full.
    pub fn dropped(&self) -> u64 {
        self.mailbox.depth_and_dropped().1
    }

    /// Unsubscribes and returns what was not drained. What publishers still bring, having read the tree before, goes
    /// to those who took over in [`switch`].
    pub fn close(&self) -> Vec<Delivery> {
        let subscriptions = std::mem::take(&mut *self.subscriptions.lock());
        if !subscriptions.is_empty() {
            self.router.apply(unsubscribes(self.id(), &subscriptions));
        }
        self.bequeath(&[]);
        self.mailbox.close(Arc::clone(&self.succession))
    }

    /// Puts others in the place of this one, wherever it is an heir. Returns where.
    fn bequeath(&self, heirs: &[Heir]) -> Vec<Weak<Succession>> {
        let mut places = std::mem::take(&mut *self.inherits.lock());
        places.retain(|place| match place.upgrade() {
            Some(succession) => {
                succession.replace(self.id(), heirs);
                true
            }
            None => false,
        });
        places
    }

    /// Names those who take over from this one, here and wherever it is an heir itself.
    fn hand_over(&self, own: &[Subscription], left: &[Vec<Subscription>], joining: &Joining<'_>) {
        let (heirs, named) = heirs(own, left, joining);
        let mut places = self.bequeath(&heirs);
        self.succession.replace(self.id(), &heirs);
        places.push(Arc::downgrade(&self.succession));
        for subscriber in named {
            subscriber.inherits.lock().extend(places.iter().cloned());
        }
    }
}

impl Drop for LocalSubscriber {
    fn drop(&mut self) {
        let left = self.close();
        self.router.pass_on(left, None, &self.tally);
    }
}

/// Subscribers with the subscriptions that they are to have.
type Joining<'a> = Vec<(&'a LocalSubscriber, Vec<Subscription>)>;

/// Lets subscribers leave and others join in one step: every message goes to those before or to those after, none to
/// both or to neither. What those who left have not drained moves to those who took over, which must not drain before
/// this is done. What nobody took over stays with those who left, to be drained to the end before they are closed.
pub fn switch(router: &Router, now: Now, leaving: &[&LocalSubscriber], joining: Joining<'_>) {
    switch_and_bind(router, now, leaving, joining, &[]);
}

/// As [`switch`], with collectors that are bound anew in that same step. What those who leave have not drained stays with
/// them, as far as nobody but a collector takes over.
pub fn switch_and_bind(
    router: &Router,
    now: Now,
    leaving: &[&LocalSubscriber],
    mut joining: Joining<'_>,
    binding: &[Rebinding<'_>],
) {
    for (_, subscriptions) in &mut joining {
        subscriptions.iter_mut().for_each(|subscription| subscription.filter = subscription.filter.detach());
    }
    let left: Vec<Vec<Subscription>> =
        leaving.iter().map(|subscriber| std::mem::take(&mut *subscriber.subscriptions.lock())).collect();
    let bound: Vec<Rebound<'_>> = binding.iter().map(Rebound::begin).collect();
    let had = |filter: &TopicFilter| left.iter().flatten().any(|subscription| subscription.filter == *filter);
    let replayed: Vec<Vec<TopicFilter>> = bound.iter().map(|rebound| rebound.replayed(had)).collect();
    let changes = || {
        let leave = leaving.iter().zip(&left).flat_map(|(subscriber, left)| unsubscribes(subscriber.id(), left));
        let join = joining.iter().flat_map(|(subscriber, subscriptions)| subscribes(subscriber, subscriptions));
        leave.chain(join).chain(bound.iter().flat_map(Rebound::changes))
    };
    let gone: usize = left.iter().map(Vec::len).sum();
    let joins_retained =
        joining.iter().any(|(_, subscriptions)| subscriptions.iter().any(Subscription::may_want_retained));
    if joins_retained || replayed.iter().any(|filters| !filters.is_empty()) {
        // What is collected is older than whatever comes by the new routes, so it has to be there before.
        let collect = |retained: &RetainedTopics| {
            let wanting = bound.iter().zip(&replayed);
            wanting.for_each(|(rebound, filters)| rebound.replay(now, router, retained, filters));
        };
        let (existed, retained) = router.apply_and_look(collect, changes());
        let mut existed = existed.into_iter().skip(gone);
        for (subscriber, subscriptions) in &joining {
            for subscription in subscriptions {
                let had = existed.next().unwrap_or(false)
                    || had(&subscription.filter)
                    || bound.iter().any(|rebound| rebound.had(&subscription.filter));
                if subscription.wants_retained(had) {
                    // Nothing of it lies on disk.
                    drop(router.replay(now, &retained, subscription, &subscriber.mailbox));
                }
            }
        }
    } else {
        router.apply(changes());
    }
    bound.into_iter().for_each(Rebound::finish);
    // Not before the routes have changed: a late message would overtake one that still goes to who is about to leave.
    for (subscriber, subscriptions) in leaving.iter().zip(&left) {
        subscriber.hand_over(subscriptions, &left, &joining);
    }
    leaving.iter().for_each(|subscriber| subscriber.mailbox.hand_down(&subscriber.succession));
    for (subscriber, subscriptions) in joining {
        let mut held = subscriber.subscriptions.lock();
        held.retain(|old| !holds(&subscriptions, old));
        held.extend(subscriptions);
    }
}

fn subscribes<'a>(
    subscriber: &'a LocalSubscriber,
    subscriptions: &'a [Subscription],
) -> impl Iterator<Item = Change<'a>> {
    subscriptions.iter().map(|subscription| Change::Subscribe {
        mailbox: &subscriber.mailbox,
        filter: &subscription.filter,
        options: subscription.options,
    })
}

fn unsubscribes(subscriber: SubscriberId, subscriptions: &[Subscription]) -> impl Iterator<Item = Change<'_>> {
    subscriptions.iter().map(move |subscription| Change::Unsubscribe { subscriber, filter: &subscription.filter })
}

fn holds(subscriptions: &[Subscription], wanted: &Subscription) -> bool {
    subscriptions.iter().any(|subscription| subscription.filter == wanted.filter)
}

/// Who takes over from the subscriber that had `own`: whoever has one of its filters now, and whoever has a filter
/// that nobody had. So a late message goes on once, also when several leave and several join.
fn heirs<'a>(
    own: &[Subscription],
    left: &[Vec<Subscription>],
    joining: &Joining<'a>,
) -> (Vec<Heir>, Vec<&'a LocalSubscriber>) {
    let mut heirs = Vec::new();
    let mut named = Vec::new();
    for (subscriber, subscriptions) in joining {
        let before = heirs.len();
        let takes_over = |subscription: &&Subscription| {
            holds(own, subscription) || !left.iter().any(|left| holds(left, subscription))
        };
        heirs.extend(subscriptions.iter().filter(takes_over).map(|subscription| Heir {
            mailbox: Arc::clone(&subscriber.mailbox),
            filter: subscription.filter.clone(),
            qos: subscription.options.qos,
            goes_on: holds(own, subscription),
        }));
        if heirs.len() > before {
            named.push(*subscriber);
        }
    }
    (heirs, named)
}

/// Drops what has expired from the part of `batch` that begins at `from`. Returns how many.
fn drop_expired(now: Now, batch: &mut VecDeque<Delivery>, from: usize) -> u64 {
    let expired = |delivery: &Delivery| delivery.publication.expiry_left_s(now.wall) == Some(0);
    if !batch.range(from..).any(expired) {
        return 0;
    }
    let taken = batch.split_off(from);
    let before = taken.len();
    batch.extend(taken.into_iter().filter(|delivery| !expired(delivery)));
    (before - (batch.len() - from)) as u64
}

#[cfg(test)]
mod tests;
