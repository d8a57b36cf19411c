//! Where a message stands in line.

use std::time::Duration;

use message::{Moment, Now, Timestamp};

use super::backlog::Ordinal;

/// A point in time on the scale of [`Moment`], in microseconds; what was before the process began is below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i64);

/// Since when a message may go out. Those of the same instant go by their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) since: Instant,
    pub(super) ordinal: Ordinal,
}

impl Instant {
    /// Before all others.
    pub(super) const EARLIEST: Self = Self(i64::MIN);

    pub(super) fn of(moment: Moment) -> Self {
        Self(i64::try_from(moment.as_nanos() / 1_000).unwrap_or(i64::MAX))
    }

    /// When a message was published, as far as the clock on the wall can tell: not after now, and not before what arrived
    /// before it, so that no step of that clock changes the order.
    pub(super) fn of_arrival(now: Now, published_at: Timestamp, not_before: Self) -> Self {
        let age_us = now.wall.as_micros().saturating_sub(published_at.as_micros()).max(0);
        Self(Self::of(now.moment).0.saturating_sub(age_us)).max(not_before)
    }

    pub(super) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment to wait for; the start of the process for one that was before it.
    pub(super) fn moment(self) -> Moment {
        Moment::since_start(Duration::from_micros(u64::try_from(self.0).unwrap_or(0)))
    }
}
