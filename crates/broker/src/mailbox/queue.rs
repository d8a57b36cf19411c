//! A queue of deliveries that knows what it weighs.

use std::collections::VecDeque;

use message::QoS;

use crate::delivery::Delivery;
use crate::prefetch::prefetch_behind;

/// An emptied queue gives memory back above this many messages, so that one burst does not stay for good.
const CAPACITY_KEPT_MESSAGES: usize = 1024;

/// How many are looked at for one that may be dropped: a mailbox full of others is not searched for each message.
const LOOKED_AT_MAX: usize = 64;

/// What has a sender of its own is not dropped: it would be sent again, out of its order.
fn may_drop(delivery: &Delivery, at_most_once: bool) -> bool {
    delivery.receipt.is_none() && (!at_most_once || delivery.qos == QoS::AtMostOnce)
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    /// Those that have senders of their own.
    own: Own,
}

/// How many messages have senders of their own, and what they weigh.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Own {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Own {
    fn of<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> Self {
        let mut own = Self::default();
        deliveries.for_each(|delivery| own.add(delivery));
        own
    }

    fn add(&mut self, delivery: &Delivery) {
        if delivery.receipt.is_some() {
            self.messages += 1;
            self.bytes += delivery.weight_bytes as usize;
        }
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn own(&self) -> Own {
        self.own
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Whether one more message of `weight_bytes` stays within the limits.
    pub(super) fn fits(&self, weight_bytes: usize, messages_max: usize, bytes_max: usize) -> bool {
        self.deliveries.len() < messages_max && self.bytes.saturating_add(weight_bytes) <= bytes_max
    }

    /// Fetches the place of the next delivery.
    pub(super) fn prefetch(&self) {
        prefetch_behind(self.deliveries.as_slices().0);
    }

    pub(super) fn push(&mut self, delivery: Delivery) {
        self.own.add(&delivery);
        self.bytes += delivery.weight_bytes as usize;
        self.deliveries.push_back(delivery);
    }

    /// Puts messages before all others, in their order.
    pub(super) fn prepend(&mut self, deliveries: Vec<Delivery>) {
        self.bytes += deliveries.iter().map(|delivery| delivery.weight_bytes as usize).sum::<usize>();
        deliveries.iter().for_each(|delivery| self.own.add(delivery));
        deliveries.into_iter().rev().for_each(|delivery| self.deliveries.push_front(delivery));
    }

    /// Drops the oldest, or the oldest of QoS 0 if one stands near the front. Returns whether one was dropped.
    pub(super) fn drop_oldest(&mut self, at_most_once: bool) -> bool {
        let mut near = self.deliveries.iter().take(LOOKED_AT_MAX);
        let place = near.position(|delivery| may_drop(delivery, at_most_once));
        self.drop_at(place)
    }

    /// The same for the newest.
    pub(super) fn drop_newest(&mut self, at_most_once: bool) -> bool {
        let mut near = self.deliveries.iter().enumerate().rev().take(LOOKED_AT_MAX);
        let place = near.find(|(_, delivery)| may_drop(delivery, at_most_once));
        self.drop_at(place.map(|(place, _)| place))
    }

    fn drop_at(&mut self, place: Option<usize>) -> bool {
        let dropped = place.and_then(|place| self.deliveries.remove(place));
        self.bytes -= dropped.as_ref().map_or(0, |delivery| delivery.weight_bytes as usize);
        dropped.is_some()
    }

    /// Moves up to `messages_max` of the oldest to the end of `batch`.
    pub(super) fn drain(&mut self, batch: &mut VecDeque<Delivery>, messages_max: usize) {
        if messages_max >= self.deliveries.len() && batch.is_empty() {
            // The owner's empty batch becomes the queue: both keep their memory, nothing is moved.
            std::mem::swap(&mut self.deliveries, batch);
            (self.bytes, self.own) = (0, Own::default());
        } else {
            let taken = messages_max.min(self.deliveries.len());
            self.bytes -= self.deliveries.range(..taken).map(|delivery| delivery.weight_bytes as usize).sum::<usize>();
            let own = Own::of(self.deliveries.range(..taken));
            self.own.messages -= own.messages;
            self.own.bytes -= own.bytes;
            batch.extend(self.deliveries.drain(..taken));
        }
        self.give_memory_back();
    }

    /// Takes out every message that `wanted` names, in order.
    pub(super) fn take_if(&mut self, mut wanted: impl FnMut(&Delivery) -> bool) -> Vec<Delivery> {
        let (taken, left): (Vec<_>, Vec<_>) = self.deliveries.drain(..).partition(|delivery| wanted(delivery));
        self.bytes = left.iter().map(|delivery| delivery.weight_bytes as usize).sum();
        self.own = Own::of(left.iter());
        self.deliveries = VecDeque::from(left);
        taken
    }

    fn give_memory_back(&mut self) {
        if self.deliveries.is_empty() && self.deliveries.capacity() > CAPACITY_KEPT_MESSAGES {
            self.deliveries = VecDeque::new();
        }
    }
}
