//! What a running flow counts. Written by its one worker, read by the API and metrics: plain relaxed atomics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The figures of a flow as a whole.
#[derive(Debug, Default)]
pub struct FlowFigures {
    /// Itineraries begun.
    pub begun: AtomicU64,
    /// Itineraries of which a branch failed for good.
    pub failed: AtomicU64,
    /// Messages dropped at the entrance because the queue was full.
    pub dropped: AtomicU64,
    /// Messages waiting at the entrance now.
    pub queued: AtomicU64,
    /// From beginning an itinerary to the end of the walk that began with it.
    pub latency: Histogram,
}

/// The figures of one connection.
#[derive(Debug, Default)]
pub struct ConnectionFigures {
    /// Messages that took it.
    pub taken: AtomicU64,
    /// Times that its condition failed.
    pub faults: AtomicU64,
}

/// The figures of one module.
#[derive(Debug, Default)]
pub struct ModuleFigures {
    pub messages_in: AtomicU64,
    pub messages_out: AtomicU64,
    pub errors: AtomicU64,
    pub dropped: AtomicU64,
    /// Messages waiting before the module or under way in it now.
    pub queued: AtomicU64,
    /// How long one message took in the module; for inbound modules empty.
    pub latency: Histogram,
    /// The last error in words, for people.
    last_error: std::sync::Mutex<Option<String>>,
}

impl ModuleFigures {
    /// Counts an error and keeps its words.
    pub fn record_error(&self, what: &str) {
        // The words first: who sees the count shall find them.
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(what.chars().take(500).collect());
        add(&self.errors, 1);
    }

    /// The last error in words.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Adds to a counter that only one thread writes.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    // One writer: a load and a store cost a tenth of a locked addition.
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

/// A histogram of spans in powers of four from 1 µs to 4 s.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; Self::BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Upper bounds of the buckets in microseconds; one more bucket takes the rest.
    pub const BOUNDS_US: [u64; 12] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

    /// Counts one span. Only the one worker calls this.
    pub fn record(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let place = Self::BOUNDS_US.iter().position(|bound| nanos <= bound * 1_000).unwrap_or(Self::BOUNDS_US.len());
        if let Some(bucket) = self.buckets.get(place) {
            add(bucket, 1);
        }
        add(&self.sum_ns, nanos);
    }

    /// Counts per bucket, not cumulated, the last one for what is longer than every bound.
    pub fn counts(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect()
    }

    /// The sum of all spans.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed))
    }
}
