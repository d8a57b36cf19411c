//! What the broker counts. Every publisher counts in memory of its own, so that no cache line travels between threads;
//! subscribers, who count once for many messages, share a few lines; whoever asks adds them up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::delivery::DropReason;

/// All figures at one moment; they only grow but for those that say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Messages published into the broker.
    pub messages_received: u64,
    /// Payload bytes of those.
    pub bytes_received: u64,
    /// Messages that subscribers took.
    pub messages_sent: u64,
    /// Payload bytes of those.
    pub bytes_sent: u64,
    /// By [`DropReason`], in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Subscriptions now.
    pub subscriptions: u64,
    /// Those among them that are shared.
    pub shared_subscriptions: u64,
    /// Retained messages now.
    pub retained_messages: u64,
    /// Bytes of retained messages now.
    pub retained_bytes: u64,
}

impl Figures {
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }
}

/// The counters of one publisher, or of some who share them. Aligned to a cache line: two owners never share one.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

/// Lines that subscribers share: as many as there may be threads that serve them.
const SHARED_LINES: usize = 16;

/// Every line that is in use, and the sum of those that were.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    lines: Mutex<Lines>,
    shared: [Arc<Line>; SHARED_LINES],
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Lines {
    used: HashMap<u64, Arc<Line>>,
    next: u64,
    past: Figures,
}

/// The right to count what many may count at once.
#[derive(Debug)]
pub(crate) struct Tally {
    line: Arc<Line>,
}

/// One publisher's right to count, in a line of its own.
#[derive(Debug)]
pub(crate) struct PublisherTally {
    own: Tally,
    key: u64,
    counters: Arc<Counters>,
}

impl Counters {
    /// For a subscriber: it costs no memory, as there may be very many.
    pub(crate) fn tally(&self) -> Tally {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % SHARED_LINES;
        let [first, ..] = &self.shared;
        Tally { line: Arc::clone(self.shared.get(turn).unwrap_or(first)) }
    }

    pub(crate) fn publisher_tally(self: &Arc<Self>) -> PublisherTally {
        let line = Arc::new(Line::default());
        let mut lines = self.lines.lock();
        let key = lines.next;
        lines.next += 1;
        lines.used.insert(key, Arc::clone(&line));
        PublisherTally { own: Tally { line }, key, counters: Arc::clone(self) }
    }

    /// The sums; what the counters do not know is zero.
    pub(crate) fn figures(&self) -> Figures {
        let lines = self.lines.lock();
        let mut figures = lines.past;
        lines.used.values().chain(&self.shared).for_each(|line| line.add_to(&mut figures));
        figures
    }
}

impl PublisherTally {
    /// Without a locked instruction, as this is the hot path: `&mut` says that nobody else writes these two.
    pub(crate) fn received(&mut self, payload_bytes: usize) {
        add(&self.own.line.messages_received, 1);
        add(&self.own.line.bytes_received, payload_bytes as u64);
    }

    /// For the rest of what happens to a message.
    pub(crate) fn tally(&self) -> &Tally {
        &self.own
    }
}

impl Tally {
    pub(crate) fn sent(&self, messages: u64, payload_bytes: u64) {
        self.line.messages_sent.fetch_add(messages, Ordering::Relaxed);
        self.line.bytes_sent.fetch_add(payload_bytes, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: DropReason, messages: u64) {
        if let Some(counter) = self.line.dropped.get(reason as usize) {
            counter.fetch_add(messages, Ordering::Relaxed);
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl Drop for PublisherTally {
    fn drop(&mut self) {
        let mut lines = self.counters.lines.lock();
        if let Some(line) = lines.used.remove(&self.key) {
            line.add_to(&mut lines.past);
        }
    }
}

impl Line {
    fn add_to(&self, figures: &mut Figures) {
        figures.messages_received += self.messages_received.load(Ordering::Relaxed);
        figures.bytes_received += self.bytes_received.load(Ordering::Relaxed);
        figures.messages_sent += self.messages_sent.load(Ordering::Relaxed);
        figures.bytes_sent += self.bytes_sent.load(Ordering::Relaxed);
        for (sum, counter) in figures.dropped.iter_mut().zip(&self.dropped) {
            *sum += counter.load(Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_owner_counted_stays_when_it_is_gone() {
        let counters = Arc::new(Counters::default());
        let (mut one, mut two) = (counters.publisher_tally(), counters.publisher_tally());
        one.received(10);
        two.received(5);
        two.tally().dropped(DropReason::Expired, 3);
        drop(one);
        let figures = counters.figures();
        assert_eq!((figures.messages_received, figures.bytes_received), (2, 15));
        assert_eq!(figures.dropped(DropReason::Expired), 3);
        assert_eq!(figures.dropped(DropReason::Overflow), 0);
        drop(two);
        assert_eq!(counters.figures(), figures);
    }

    #[test]
    fn subscribers_share_lines_and_none_of_their_counts_is_lost() {
        let counters = Arc::new(Counters::default());
        for number in 0..2 * SHARED_LINES as u64 {
            let tally = counters.tally();
            tally.sent(1, number);
            tally.dropped(DropReason::Overflow, 2);
        }
        let figures = counters.figures();
        assert_eq!((figures.messages_sent, figures.bytes_sent), (32, 496));
        assert_eq!(figures.dropped(DropReason::Overflow), 64);
    }
}
