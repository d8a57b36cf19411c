//! How a queue hands out its messages.

use std::time::Duration;

use message::limits;

/// The rules of one queue, as far as it hands out; what it may hold is a matter of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    pub ordering: Ordering,
    /// How long a consumer may keep a message before another gets it.
    pub ack_timeout: Duration,
    /// After so many failed deliveries a message is dead; 0 for never.
    pub deliveries_max: u32,
    /// Whether messages that expired are dead letters, instead of being dropped.
    pub keep_expired: bool,
    /// Whether publishers may ask for a delay.
    pub has_delay: bool,
    /// A message that every consumer refused is dead at once. Otherwise it comes again, which counts as a delivery.
    pub dies_when_all_refuse: bool,
    /// Messages that are read ahead of the consumers.
    pub read_ahead_messages: usize,
    /// Delayed messages that are kept in memory; others are found in the log when their time comes.
    pub delayed_messages_kept: usize,
}

/// Which message comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ordering {
    /// The oldest.
    #[default]
    Arrival,
    /// The one with the highest priority, the oldest of these. It is chosen among the oldest
    /// [`limits::QUEUE_PRIORITY_MESSAGES`] that wait: what lies behind them comes into view as they leave.
    Priority,
}

impl QueueOptions {
    pub fn new(ordering: Ordering) -> Self {
        let read_ahead_messages = match ordering {
            Ordering::Arrival => limits::QUEUE_READ_AHEAD_MESSAGES,
            Ordering::Priority => limits::QUEUE_PRIORITY_MESSAGES,
        };
        Self {
            ordering,
            ack_timeout: limits::QUEUE_ACK_TIMEOUT,
            deliveries_max: limits::QUEUE_DELIVERIES_MAX,
            keep_expired: false,
            has_delay: true,
            dies_when_all_refuse: false,
            read_ahead_messages,
            delayed_messages_kept: limits::QUEUE_DELAYED_MESSAGES_KEPT,
        }
    }

    /// A queue is read in steps, so that it is not read for every single message.
    pub(super) fn read_step_messages(&self) -> usize {
        (self.read_ahead_messages / 2).clamp(1, limits::QUEUE_READ_MESSAGES_MAX)
    }
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self::new(Ordering::Arrival)
    }
}
