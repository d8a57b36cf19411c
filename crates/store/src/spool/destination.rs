//! What is known in memory of one destination. It does not grow with what waits: where the messages lie is in the
//! footers of the segments, and only for the segment that is being filled here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use message::TopicName;

use super::options::{DestinationOptions, DropReason};
use crate::log::{Ranges, Segment};

/// The messages of one destination in one sealed segment that are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The base of the segment.
    pub(super) segment: u64,
    pub(super) first: u64,
    pub(super) count: u32,
    /// How many of them wait.
    pub(super) live: u32,
    /// About so many bytes wait: an acknowledged one counts as the average.
    pub(super) bytes: u64,
    /// Where the list of their places begins in the file: a u32 each, zero for one that is gone.
    pub(super) places_at: u32,
    pub(super) oldest_us: i64,
    pub(super) newest_us: i64,
}

impl Extent {
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// Where the message of a topic is, for a destination that keeps the last one of each.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<TopicName, u64, foldhash::fast::RandomState>);

impl Keys {
    pub(super) fn last(&self, topic: &TopicName) -> Option<u64> {
        self.0.get(topic).copied()
    }

    pub(super) fn set(&mut self, topic: &TopicName, ordinal: u64) {
        match self.0.get_mut(topic) {
            Some(last) => *last = ordinal,
            None => {
                self.0.insert(topic.detach(), ordinal);
            }
        }
    }

    /// Forgets topics whose message is out, once they are most of those that are known.
    pub(super) fn tidy(&mut self, waiting: u64, waits: impl Fn(u64) -> bool) {
        if self.0.len() as u64 > waiting.saturating_mul(2) + 64 {
            self.0.retain(|_, ordinal| waits(*ordinal));
        }
    }
}

/// The same for the segment that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filling {
    pub(super) first: u64,
    pub(super) places: Vec<u32>,
    pub(super) live: u32,
    pub(super) bytes: u64,
    pub(super) oldest_us: i64,
    pub(super) newest_us: i64,
}

/// Where an acknowledged message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// In a sealed segment, where it counted for so many bytes.
    In {
        segment: u64,
        bytes: u64,
    },
    Filling,
}

#[derive(Debug, Default)]
pub(super) struct Destination {
    pub(super) options: DestinationOptions,
    /// All below is acknowledged.
    pub(super) low: u64,
    pub(super) next: u64,
    /// Those below may have been sent before.
    pub(super) sent: u64,
    /// Acknowledged ones above `low`.
    pub(super) acknowledged: Ranges,
    /// QoS 2: PUBREC came.
    pub(super) received: BTreeSet<u64>,
    /// How often messages were delivered that came back.
    pub(super) deliveries: BTreeMap<u64, u32>,
    /// QoS 2 packet ids of a publisher that are not released.
    pub(super) inbound: BTreeSet<u16>,
    pub(super) extents: VecDeque<Extent>,
    pub(super) filling: Filling,
    pub(super) waiting_messages: u64,
    pub(super) waiting_bytes: u64,
    /// Messages that a message in hand will bring, while it is found out who refuses it.
    pub(super) claimed: u32,
    pub(super) dropped: [u64; DropReason::ALL.len()],
    /// Messages were dropped when they came in, and that is not written down yet.
    pub(super) has_dropped_newest: bool,
    pub(super) keys: Option<Box<Keys>>,
    /// What it is, for those who use the spool.
    pub(super) label: Option<Box<[u8]>>,
}

impl Destination {
    /// Gives a message of this size its place.
    pub(super) fn place(&mut self, place: u32, bytes: u64, now_us: i64) -> u64 {
        let ordinal = self.next;
        let filling = &mut self.filling;
        if filling.places.is_empty() {
            filling.first = ordinal;
            filling.oldest_us = now_us;
        }
        filling.places.push(place);
        filling.live += 1;
        filling.bytes += bytes;
        filling.newest_us = now_us;
        self.next += 1;
        self.waiting_messages += 1;
        self.waiting_bytes += bytes;
        ordinal
    }

    /// When the oldest message that may wait was appended.
    pub(super) fn oldest_us(&self) -> i64 {
        self.extents.front().map_or(self.filling.oldest_us, |extent| extent.oldest_us)
    }

    /// Whether the message at this ordinal waits.
    pub(super) fn waits(&self, ordinal: u64) -> bool {
        ordinal >= self.low && ordinal < self.next && !self.acknowledged.contains(ordinal)
    }

    /// Takes a message out, acknowledged or dropped; `None` when it is out already.
    pub(super) fn settle(&mut self, ordinal: u64) -> Option<Settled> {
        if ordinal >= self.next || !self.pass(ordinal) {
            return None;
        }
        self.received.remove(&ordinal);
        self.deliveries.remove(&ordinal);
        let index = self.extents.partition_point(|extent| extent.end() <= ordinal);
        let (segment, live, bytes) = match self.extents.get_mut(index).filter(|extent| extent.first <= ordinal) {
            Some(extent) => (Some(extent.segment), &mut extent.live, &mut extent.bytes),
            None => (None, &mut self.filling.live, &mut self.filling.bytes),
        };
        let share = *bytes / u64::from(*live).max(1);
        *live = live.saturating_sub(1);
        *bytes -= share;
        self.waiting_messages = self.waiting_messages.saturating_sub(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(share);
        while self.extents.front().is_some_and(|extent| extent.live == 0) {
            self.extents.pop_front();
        }
        Some(segment.map_or(Settled::Filling, |segment| Settled::In { segment, bytes: share }))
    }

    /// Notes an ordinal as acknowledged; whether that is new.
    pub(super) fn pass(&mut self, ordinal: u64) -> bool {
        if ordinal < self.low {
            return false;
        }
        if ordinal > self.low {
            return self.acknowledged.insert(ordinal);
        }
        self.low += 1;
        if !self.acknowledged.is_empty()
            && let Some(end) = self.acknowledged.take_run(self.low)
        {
            self.low = end;
        }
        true
    }

    /// Takes ordinals out that are nowhere; how many of them waited is the answer.
    pub(super) fn lose(&mut self, from: u64, to: u64) -> u64 {
        let mut lost = 0;
        let mut ordinal = self.acknowledged.next_missing(from.max(self.low));
        while ordinal < to {
            self.pass(ordinal);
            lost += 1;
            ordinal = self.acknowledged.next_missing(ordinal.max(self.low));
        }
        lost
    }

    /// Ordinals of `from..to` that are out.
    pub(super) fn out_within(&self, from: u64, to: u64) -> u64 {
        let below = self.low.clamp(from, to) - from;
        below + self.acknowledged.count_within(from.max(self.low), to)
    }

    /// Counts all below as out.
    pub(super) fn raise_low(&mut self, low: u64) {
        self.low = low;
        self.next = self.next.max(low);
        let runs: Vec<(u64, u64)> = self.acknowledged.iter().filter(|(_, end)| *end > low).collect();
        self.acknowledged = Ranges::default();
        for (first, end) in runs {
            self.acknowledged.push(first.max(low), end);
        }
        if let Some(end) = self.acknowledged.take_run(low) {
            self.low = end;
        }
    }

    /// The extent with the first message that waits from an ordinal on.
    pub(super) fn extent_from(&self, ordinal: u64) -> Option<&Extent> {
        self.extents.get(self.extents.partition_point(|extent| extent.end() <= ordinal))
    }

    /// Up to `most` ordinals of `from..to` that wait.
    pub(super) fn waiting_within(&self, from: u64, to: u64, most: usize) -> Vec<u64> {
        let mut waiting = Vec::new();
        let mut ordinal = self.acknowledged.next_missing(from.max(self.low));
        while ordinal < to && waiting.len() < most {
            waiting.push(ordinal);
            ordinal = self.acknowledged.next_missing(ordinal + 1);
        }
        waiting
    }

    /// Ends the segment that was being filled: the extent in it, without its place, and the places of its messages.
    pub(super) fn seal(&mut self, segment: &Segment) -> Option<(Extent, Vec<u32>)> {
        let filling = std::mem::take(&mut self.filling);
        if filling.live == 0 {
            return None;
        }
        let done = usize::try_from(self.low.saturating_sub(filling.first)).unwrap_or(usize::MAX);
        let mut places = filling.places;
        places.drain(..done.min(places.len()));
        let extent = Extent {
            segment: segment.base,
            first: filling.first.max(self.low),
            count: u32::try_from(places.len()).unwrap_or(u32::MAX),
            live: filling.live,
            bytes: filling.bytes,
            places_at: 0,
            oldest_us: filling.oldest_us,
            newest_us: filling.newest_us,
        };
        Some((extent, places))
    }
}
