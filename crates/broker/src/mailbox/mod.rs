//! What waits for one subscriber: filled by any thread, drained by its owner. Its lock is held for the push of one
//! message or the take of one batch, never while anyone is woken.

mod options;
mod own;
mod pressure;
mod queue;
mod spooled;
mod succession;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use message::{DestinationId, QoS};
use parking_lot::Mutex;

use crate::collector::Collector;
use crate::delivery::{Delivery, DropReason};
use crate::registry::LeaseState;
use crate::router::Wakes;
use crate::subscription::SubscriberId;
pub use options::{MailboxOptions, Overflow};
pub use pressure::Pressure;
use queue::Queue;
pub(crate) use spooled::Drained;
use spooled::Tail;
pub(crate) use succession::{Heir, Succession};

/// What waits for one subscriber.
pub(crate) struct Mailbox {
    id: SubscriberId,
    options: MailboxOptions,
    /// Takes what comes, so that nothing ever waits here.
    collector: Option<Arc<dyn Collector>>,
    /// Where what comes with QoS 1 and 2 lies on disk too, until it is acknowledged.
    destination: Option<DestinationId>,
    /// Copies of what stands under the lock, for those who only choose between mailboxes.
    attended: AtomicBool,
    crowded: AtomicBool,
    /// Something was dropped since it last went below its low-water mark.
    overflowing: AtomicBool,
    /// What the owner said that it has under way, unacknowledged, and what it took and has not sent.
    in_flight: AtomicUsize,
    staged: AtomicUsize,
    /// Of the session whose mailbox this is.
    lease: LeaseState,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    queue: Queue,
    /// Retained messages for new subscriptions: they come first and have limits of their own (those of the store).
    replay: VecDeque<Delivery>,
    /// Whether what lies on disk is here too.
    tail: Tail,
    /// Someone is there to drain.
    attended: bool,
    /// Full since it last went below its low-water mark, so that its publishers wait.
    crowded: bool,
    waker: Option<Waker>,
    waiting: Vec<Waker>,
    /// Senders of their own that wait for room.
    own_waiting: Vec<Waker>,
    /// Set for good: who gets what still comes in from publishers that read the tree before the subscriber left.
    closed: Option<Arc<Succession>>,
    dropped: u64,
}

/// What became of a pushed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Accepted,
    /// Accepted, and the publisher should wait.
    Pressing,
    /// Accepted, and so many others were dropped for it.
    Replacing(u32),
    Dropped(DropReason),
    /// The subscriber is gone: the message matched nobody.
    Closed,
}

impl Mailbox {
    pub(crate) fn new(id: SubscriberId, options: MailboxOptions) -> Self {
        Self::with_tail(id, options, None, Tail::default())
    }

    fn with_tail(id: SubscriberId, options: MailboxOptions, destination: Option<DestinationId>, tail: Tail) -> Self {
        let inside = Inside { attended: true, tail, ..Inside::default() };
        Self {
            id,
            options,
            collector: None,
            destination,
            attended: AtomicBool::new(true),
            crowded: AtomicBool::new(false),
            overflowing: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            staged: AtomicUsize::new(0),
            lease: LeaseState::default(),
            inside: Mutex::new(inside),
        }
    }

    /// The place of a collector among the subscribers.
    pub(crate) fn of_collector(id: SubscriberId, collector: Arc<dyn Collector>) -> Self {
        let destination = collector.destination();
        Self { collector: Some(collector), destination, ..Self::new(id, MailboxOptions::for_session()) }
    }

    pub(crate) fn id(&self) -> SubscriberId {
        self.id
    }

    pub(crate) fn lease(&self) -> &LeaseState {
        &self.lease
    }

    /// Who takes what is for this mailbox, if it is not to wait here.
    pub(crate) fn collector(&self) -> Option<&dyn Collector> {
        self.collector.as_deref()
    }

    /// Fetches the place of the next message, unless another looks at the queue just now.
    pub(crate) fn prefetch_queue(&self) {
        if let Some(inside) = self.inside.try_lock() {
            inside.queue.prefetch();
        }
    }

    pub(crate) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Relaxed)
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Acquire)
    }

    /// Whether messages are dropped here because the owner is too slow.
    pub(crate) fn is_overflowing(&self) -> bool {
        self.overflowing.load(Ordering::Relaxed)
    }

    /// Messages that wait, and all that this mailbox ever dropped.
    pub(crate) fn depth_and_dropped(&self) -> (usize, u64) {
        let inside = self.inside.lock();
        (inside.queue.len() + inside.replay.len(), inside.dropped)
    }

    /// Messages that wait, with those that the owner took and has not sent; and what those here weigh.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let inside = self.inside.lock();
        let replay_bytes: usize = inside.replay.iter().map(|delivery| delivery.weight_bytes as usize).sum();
        let messages = inside.queue.len() + inside.replay.len() + self.staged.load(Ordering::Relaxed);
        (messages, inside.queue.bytes() + replay_bytes)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn set_under_way(&self, in_flight: usize, staged: usize) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.staged.store(staged, Ordering::Relaxed);
    }

    /// Puts a message in by the policy of this mailbox; wakes the owner if it was empty.
    pub(crate) fn push(&self, delivery: Delivery) -> Pushed {
        self.push_and_wake(delivery, &mut Wakes::default())
    }

    /// The same, with the owner woken when the publisher wants it.
    pub(crate) fn push_and_wake(&self, delivery: Delivery, wakes: &mut Wakes) -> Pushed {
        let mut inside = self.inside.lock();
        if let Some(succession) = inside.closed.clone() {
            drop(inside);
            return succession.forward(&delivery);
        }
        let was_empty = inside.is_empty();
        let pushed = inside.push(&self.options, delivery);
        match pushed {
            Pushed::Pressing => self.crowded.store(true, Ordering::Release),
            Pushed::Dropped(reason) => {
                inside.dropped += 1;
                if reason == DropReason::Overflow {
                    self.overflowing.store(true, Ordering::Relaxed);
                }
            }
            Pushed::Replacing(others) => {
                inside.dropped += u64::from(others);
                self.overflowing.store(true, Ordering::Relaxed);
            }
            Pushed::Accepted | Pushed::Closed => {}
        }
        let waker = if was_empty && !inside.is_empty() { inside.waker.clone() } else { None };
        drop(inside);
        if let Some(waker) = waker {
            wakes.wake(waker);
        }
        pushed
    }

    /// Puts retained messages before all that waits.
    pub(crate) fn replay(&self, retained: impl IntoIterator<Item = Delivery>) {
        let mut inside = self.inside.lock();
        let was_empty = inside.is_empty();
        inside.replay.extend(retained);
        let waker = if was_empty && !inside.is_empty() { inside.waker.clone() } else { None };
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn replay_len(&self) -> usize {
        self.inside.lock().replay.len()
    }

    /// Moves up to `messages_max` messages to the end of `batch`.
    pub(crate) fn drain(&self, batch: &mut VecDeque<Delivery>, messages_max: usize) -> Drained {
        let mut inside = self.inside.lock();
        let replayed = messages_max.min(inside.replay.len());
        batch.extend(inside.replay.drain(..replayed));
        inside.queue.drain(batch, messages_max - replayed);
        let more = if inside.is_empty() { inside.tail.after_queue() } else { Drained::More };
        let low_water = self.options.low_water();
        if self.is_overflowing() && inside.queue.len() <= low_water.0 && inside.queue.bytes() <= low_water.1 {
            self.overflowing.store(false, Ordering::Relaxed);
        }
        let waiting = self.release_below(&mut inside, low_water);
        let own_waiting = inside.release_own(&self.options);
        drop(inside);
        waiting.into_iter().chain(own_waiting).for_each(Waker::wake);
        more
    }

    /// Whom to wake when the mailbox is no longer empty.
    pub(crate) fn set_waker(&self, waker: Waker) {
        self.inside.lock().waker = Some(waker);
    }

    /// Whom to wake for this mailbox.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.inside.lock().waker.clone()
    }

    /// Wakes the owner for a reason other than a message.
    pub(crate) fn wake(&self) {
        let waker = self.inside.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Says whether anyone is there to drain. Nobody has to wait for a mailbox that is left alone.
    pub(crate) fn set_attended(&self, attended: bool) {
        let mut inside = self.inside.lock();
        inside.attended = attended;
        self.attended.store(attended, Ordering::Relaxed);
        if attended {
            return;
        }
        inside.waker = None;
        let waiting = self.release_below(&mut inside, (usize::MAX, usize::MAX));
        drop(inside);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Drops what does not come from the router: its senders hear of it.
    pub(crate) fn drop_receipts(&self) {
        let mut inside = self.inside.lock();
        let dropped = inside.queue.take_if(|delivery| delivery.receipt.is_some());
        let own_waiting = inside.release_own(&self.options);
        drop(inside);
        // After the lock, as those who hear of it may be about to send.
        drop(dropped);
        own_waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes out all, and lets nothing in any more: what still comes goes to the heirs.
    pub(crate) fn close(&self, succession: Arc<Succession>) -> Vec<Delivery> {
        let mut inside = self.inside.lock();
        let mut left: Vec<Delivery> = inside.replay.drain(..).collect();
        left.extend(inside.queue.take_if(|_| true));
        inside.closed.get_or_insert(succession);
        inside.waker = None;
        let waiting = self.release_below(&mut inside, (usize::MAX, usize::MAX));
        drop(inside);
        waiting.into_iter().for_each(Waker::wake);
        left
    }

    /// Whether there is room; if not, `waker` is called when there is.
    fn await_room(&self, waker: &Waker) -> bool {
        let mut inside = self.inside.lock();
        if inside.crowded && !inside.waiting.iter().any(|held| held.will_wake(waker)) {
            inside.waiting.push(waker.clone());
        }
        !inside.crowded
    }

    fn release_below(&self, inside: &mut Inside, (messages, bytes): (usize, usize)) -> Vec<Waker> {
        if !inside.crowded || inside.queue.len() > messages || inside.queue.bytes() > bytes {
            return Vec::new();
        }
        inside.crowded = false;
        self.crowded.store(false, Ordering::Release);
        std::mem::take(&mut inside.waiting)
    }
}

impl Inside {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.replay.is_empty()
    }

    fn push(&mut self, options: &MailboxOptions, delivery: Delivery) -> Pushed {
        let at_most_once = delivery.qos == QoS::AtMostOnce;
        if at_most_once && !self.attended {
            return Pushed::Dropped(DropReason::Absent);
        }
        let overflow = if at_most_once { options.overflow_at_most_once } else { options.overflow };
        if overflow == Overflow::Wait && self.attended {
            return self.push_or_press(options, delivery);
        }
        let weight_bytes = delivery.weight_bytes as usize;
        if self.queue.fits(weight_bytes, options.messages_max, options.bytes_max) {
            self.queue.push(delivery);
            return Pushed::Accepted;
        }
        // A message that would not even fit alone must not push the others out.
        if weight_bytes > options.bytes_max || options.messages_max == 0 {
            return Pushed::Dropped(DropReason::Overflow);
        }
        // What others are promised does not give way to what nobody is.
        let among_equals = at_most_once && options.overflow != options.overflow_at_most_once;
        let mut others = 0;
        while !self.queue.fits(weight_bytes, options.messages_max, options.bytes_max) {
            let dropped = match overflow {
                Overflow::DropNewest => self.queue.drop_newest(among_equals),
                Overflow::DropOldest => self.queue.drop_oldest(among_equals),
                Overflow::DropWrite | Overflow::Wait => false,
            };
            if !dropped {
                break;
            }
            others += 1;
        }
        if !self.queue.fits(weight_bytes, options.messages_max, options.bytes_max) {
            // Those that gave way count as dropped for it, and so does it.
            return if others == 0 { Pushed::Dropped(DropReason::Overflow) } else { Pushed::Replacing(others + 1) };
        }
        self.queue.push(delivery);
        Pushed::Replacing(others)
    }

    fn push_or_press(&mut self, options: &MailboxOptions, delivery: Delivery) -> Pushed {
        use message::limits::{MAILBOX_OVERSHOOT_BYTES_MAX, MAILBOX_OVERSHOOT_MESSAGES_MAX};
        let messages_max = options.messages_max.saturating_add(MAILBOX_OVERSHOOT_MESSAGES_MAX);
        let bytes_max = options.bytes_max.saturating_add(MAILBOX_OVERSHOOT_BYTES_MAX);
        if !self.queue.fits(delivery.weight_bytes as usize, messages_max, bytes_max) {
            return Pushed::Dropped(DropReason::Overflow);
        }
        self.queue.push(delivery);
        // Full, or filled again before it drained: either way the publisher waits.
        self.crowded |= self.queue.len() >= options.messages_max || self.queue.bytes() >= options.bytes_max;
        if self.crowded { Pushed::Pressing } else { Pushed::Accepted }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
