//! The ends that connections come to, as they are counted.

use std::sync::atomic::{AtomicU64, Ordering};

use mqtt::{CloseCause, ReasonCode};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said that it leaves.
    Client,
    /// The transport broke or was closed without a word.
    Lost,
    /// The client broke the protocol.
    Violation,
    /// The client sent a packet that is larger than the node takes.
    PacketTooLarge,
    /// The client sent more messages than it may without waiting for acknowledgements.
    ReceiveMaximumExceeded,
    /// The client did not say in time who it is.
    ConnectDeadline,
    /// Nothing was heard of the client.
    KeepAlive,
    /// The client connected again.
    TakenOver,
    /// The client was too slow, and messages for it were dropped.
    TooSlow,
    /// The node stops.
    ShuttingDown,
    /// The node did not accept the client, or refused what it did.
    Refused,
}

impl End {
    /// Every end, in the order of the counters.
    pub const ALL: [Self; 11] = [
        Self::Client,
        Self::Lost,
        Self::Violation,
        Self::PacketTooLarge,
        Self::ReceiveMaximumExceeded,
        Self::ConnectDeadline,
        Self::KeepAlive,
        Self::TakenOver,
        Self::TooSlow,
        Self::ShuttingDown,
        Self::Refused,
    ];

    /// The word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Lost => "lost",
            Self::Violation => "violation",
            Self::PacketTooLarge => "packet_too_large",
            Self::ReceiveMaximumExceeded => "receive_maximum_exceeded",
            Self::ConnectDeadline => "connect_deadline",
            Self::KeepAlive => "keep_alive",
            Self::TakenOver => "taken_over",
            Self::TooSlow => "too_slow",
            Self::ShuttingDown => "shutting_down",
            Self::Refused => "refused",
        }
    }

    pub(super) fn of(cause: &CloseCause, was_dismissed: bool) -> Self {
        match cause {
            CloseCause::ByClient(_) => Self::Client,
            CloseCause::TransportLost => Self::Lost,
            CloseCause::Violation(violation) => match violation.reason() {
                ReasonCode::PacketTooLarge => Self::PacketTooLarge,
                ReasonCode::ReceiveMaximumExceeded => Self::ReceiveMaximumExceeded,
                _ => Self::Violation,
            },
            CloseCause::ConnectDeadline => Self::ConnectDeadline,
            CloseCause::KeepAliveTimeout => Self::KeepAlive,
            CloseCause::ByServer(_) if was_dismissed => Self::TooSlow,
            CloseCause::ByServer(ReasonCode::SessionTakenOver) => Self::TakenOver,
            CloseCause::ByServer(ReasonCode::ServerShuttingDown) => Self::ShuttingDown,
            CloseCause::ByServer(_) => Self::Refused,
        }
    }
}

/// A count for each end.
#[derive(Debug, Default)]
pub struct Ends([AtomicU64; End::ALL.len()]);

impl Ends {
    pub fn get(&self, end: End) -> u64 {
        self.0.get(end as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn count(&self, end: End) {
        if let Some(count) = self.0.get(end as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_count_of_its_own() {
        let ends = Ends::default();
        for (place, end) in End::ALL.into_iter().enumerate() {
            (0..=place).for_each(|_| ends.count(end));
        }
        assert!(End::ALL.into_iter().map(|end| ends.get(end)).eq(1..=End::ALL.len() as u64));
    }
}
