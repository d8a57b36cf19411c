//! Ticks at an even interval that do not drift: what is missed is counted, not made up for.

use std::time::Duration;

use message::{Moment, limits};

/// The ticks of a timer or a generator.
#[derive(Debug)]
pub(super) struct Ticks {
    next: Moment,
    interval: Duration,
}

impl Ticks {
    /// Ticks from `start` on: the first at once, or after one interval.
    pub(super) fn new(start: Moment, interval: Duration, at_once: bool) -> Self {
        let interval = interval.max(limits::TICK_INTERVAL_MIN);
        Self { next: if at_once { start } else { start + interval }, interval }
    }

    /// When the next tick is due.
    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// Takes what is due: one tick, with the number of those before it that were missed.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<u64> {
        if now < self.next {
            return None;
        }
        let late = now.since(self.next).as_nanos() / self.interval.as_nanos().max(1);
        let missed = u32::try_from(late).unwrap_or(u32::MAX);
        self.next = self.next + self.interval.saturating_mul(missed.saturating_add(1));
        Some(u64::from(missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::since_start(Duration::from_millis(millis))
    }

    #[test]
    fn ticks_keep_their_grid_and_count_what_they_missed() {
        let mut ticks = Ticks::new(at(5), Duration::from_millis(10), false);
        for (now, due) in
            [(14, None), (17, Some(0)), (18, None), (25, Some(0)), (68, Some(3)), (74, None), (75, Some(0))]
        {
            assert_eq!(ticks.take_due(at(now)), due, "at {now}");
        }
        assert_eq!(ticks.next(), at(85));
        assert_eq!(Ticks::new(at(5), Duration::from_millis(10), true).next(), at(5));
    }
}
