//! Who takes over from a mailbox whose owner has left. What it had not drained goes to the heirs, and so does what comes
//! late: a publisher that read the tree before a switch may still bring a message to a subscriber that has left.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use message::{QoS, TopicFilter};
use parking_lot::Mutex;

use super::{Mailbox, Overflow, Pushed};
use crate::delivery::Delivery;
use crate::subscription::SubscriberId;

/// The heirs of one mailbox: always those of today, never a chain of those before, so that ten thousand switches
/// leave nothing behind.
#[derive(Debug, Default)]
pub(crate) struct Succession {
    heirs: Mutex<Vec<Heir>>,
}

/// A subscription that took over.
#[derive(Debug, Clone)]
pub(crate) struct Heir {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) filter: TopicFilter,
    pub(crate) qos: QoS,
    /// The one who left had the same filter: the heir goes on with what that one began.
    pub(crate) goes_on: bool,
}

impl Succession {
    /// Lets `heirs` stand in for `leaving`, if that is among the heirs.
    pub(crate) fn replace(&self, leaving: SubscriberId, heirs: &[Heir]) {
        let mut current = self.heirs.lock();
        current.retain(|heir| heir.mailbox.id() != leaving);
        for heir in heirs {
            if !current.iter().any(|held| held.mailbox.id() == heir.mailbox.id() && held.filter == heir.filter) {
                current.push(heir.clone());
            }
        }
    }

    /// Hands a late message to the heirs that want it, once to each.
    pub(super) fn forward(&self, delivery: &Delivery) -> Pushed {
        let heirs = self.heirs.lock().clone();
        let wanting = wanting(heirs.iter(), delivery);
        for heir in &wanting {
            heir.mailbox.push(heir.own(delivery));
        }
        if wanting.is_empty() { Pushed::Closed } else { Pushed::Accepted }
    }
}

impl Heir {
    /// The message as this heir gets it.
    fn own(&self, delivery: &Delivery) -> Delivery {
        Delivery { qos: delivery.publication.qos.min(self.qos), ..delivery.clone() }
    }
}

/// The heirs that want a message, each mailbox once, with its highest quality of service.
fn wanting<'a>(heirs: impl Iterator<Item = &'a Heir>, delivery: &Delivery) -> Vec<&'a Heir> {
    let mut wanting: Vec<&Heir> = heirs.filter(|heir| heir.filter.matches(&delivery.publication.topic)).collect();
    wanting.sort_by_key(|heir| Reverse((heir.mailbox.id(), heir.qos)));
    wanting.dedup_by_key(|heir| heir.mailbox.id());
    wanting
}

impl Mailbox {
    /// Moves what waits to the heirs that want it, before all that waits there; from now on they get what still comes,
    /// too. What no heir wants stays, to be drained here. The heirs must not drain before this is done: then what one
    /// publisher sent stays in its order over the change.
    pub(crate) fn hand_down(&self, succession: &Arc<Succession>) {
        let heirs = succession.heirs.lock().clone();
        if heirs.is_empty() {
            return;
        }
        // A retained message was sent for one subscription: an heir with another one has its own.
        let for_replay = |delivery: &Delivery| wanting(heirs.iter().filter(|heir| heir.goes_on), delivery);
        let for_unread = |delivery: &Delivery| wanting(heirs.iter(), delivery);
        let mut inside = self.inside.lock();
        let (replay, left): (Vec<_>, _) =
            std::mem::take(&mut inside.replay).into_iter().partition(|delivery| !for_replay(delivery).is_empty());
        inside.replay = left.into();
        let unread = inside.queue.take_if(|delivery| !for_unread(delivery).is_empty());
        inside.closed.get_or_insert_with(|| Arc::clone(succession));
        let waiting = self.release_below(&mut inside, self.options.low_water());
        drop(inside);
        let mut mailboxes: Vec<&Arc<Mailbox>> = heirs.iter().map(|heir| &heir.mailbox).collect();
        mailboxes.sort_by_key(|mailbox| mailbox.id());
        mailboxes.dedup_by_key(|mailbox| mailbox.id());
        for mailbox in mailboxes {
            let own = |wanting: Vec<&Heir>, delivery: &Delivery| {
                wanting.into_iter().find(|heir| heir.mailbox.id() == mailbox.id()).map(|heir| heir.own(delivery))
            };
            mailbox.inherit(
                replay.iter().filter_map(|delivery| own(for_replay(delivery), delivery)).collect(),
                unread.iter().filter_map(|delivery| own(for_unread(delivery), delivery)).collect(),
            );
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Puts in, before all that waits, what waited for one who left. It had room there, so it is taken whatever the
    /// limits of this mailbox; publishers wait until it has drained.
    fn inherit(&self, replay: Vec<Delivery>, unread: Vec<Delivery>) {
        let mut inside = self.inside.lock();
        let was_empty = inside.is_empty();
        replay.into_iter().rev().for_each(|delivery| inside.replay.push_front(delivery));
        inside.queue.prepend(unread);
        inside.crowded |= self.options.overflow == Overflow::Wait
            && (inside.queue.len() >= self.options.messages_max || inside.queue.bytes() >= self.options.bytes_max);
        self.crowded.store(inside.crowded, Ordering::Release);
        let waker = if was_empty && !inside.is_empty() { inside.waker.clone() } else { None };
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
