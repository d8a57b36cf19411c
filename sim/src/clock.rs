//! The fake clock. It stands still while things happen and jumps to the next thing that is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use message::{Moment, Now, Timestamp};

/// Every story begins at 2026-01-31T08:00:00Z.
const BEGINNING_MS: i64 = 1_769_846_400_000;

/// A clock that is shared by everything in one simulation; a clone is the same clock.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn now(&self) -> Now {
        let span = Duration::from_nanos(self.0.load(Ordering::Relaxed));
        Now { moment: Moment::since_start(span), wall: Timestamp::from_millis(BEGINNING_MS).saturating_add(span) }
    }

    pub fn moment(&self) -> Moment {
        self.now().moment
    }

    /// Jumps forward; a moment that has passed changes nothing.
    pub fn advance_to(&self, moment: Moment) {
        self.0.fetch_max(moment.as_nanos(), Ordering::Relaxed);
    }

    /// The moment of this clock at which the calendar reaches `wall`.
    pub fn moment_of(&self, wall: Timestamp) -> Moment {
        let now = self.now();
        now.moment + (wall - now.wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_together_and_never_back() {
        let clock = Clock::default();
        assert_eq!(clock.now().wall.to_string(), "2026-01-31T08:00:00Z");
        clock.advance_to(Moment::since_start(Duration::from_secs(90)));
        clock.advance_to(Moment::since_start(Duration::from_secs(1)));
        assert_eq!(clock.now().wall.to_string(), "2026-01-31T08:01:30Z");
        let later = clock.now().wall.saturating_add(Duration::from_secs(5));
        assert_eq!(clock.moment_of(later).since(clock.moment()), Duration::from_secs(5));
    }
}
