//! What a queue counts.

use super::output::DeathReason;

/// All figures of a queue at one moment; those without "now" only grow, from the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueFigures {
    /// Consumers now.
    pub consumers: usize,
    /// Messages that consumers have now.
    pub in_flight: usize,
    /// Messages that wait for their delay now, of those that were read for consumers. Those that had no place in memory are
    /// counted until they are found again.
    pub delayed: u64,
    /// Times that a message went to a consumer.
    pub delivered: u64,
    /// Those that were not the first time.
    pub redelivered: u64,
    pub acknowledged: u64,
    /// Times that a consumer kept a message for too long.
    pub timed_out: u64,
    /// Messages that went to the dead letters, by [`DeathReason`], in the order of [`DeathReason::ALL`].
    pub dead_lettered: [u64; DeathReason::ALL.len()],
    /// Messages whose time was over, dropped.
    pub expired: u64,
    /// Messages that were taken out by hand.
    pub purged: u64,
}

impl QueueFigures {
    pub fn dead_lettered(&self, reason: DeathReason) -> u64 {
        self.dead_lettered.get(reason as usize).copied().unwrap_or(0)
    }

    pub(super) fn count_dead_letter(&mut self, reason: DeathReason) {
        if let Some(count) = self.dead_lettered.get_mut(reason as usize) {
            *count += 1;
        }
    }
}
