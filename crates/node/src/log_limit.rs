//! A bound on log lines: whatever goes wrong for every message, or for every connection, must not fill the disk.

use std::time::Duration;

use message::{Moment, Now};
use parking_lot::Mutex;

/// Lets so many lines through in each second of the calendar.
#[derive(Debug)]
pub(crate) struct LogLimit {
    lines_per_second_max: u32,
    /// The present second, and the lines that came in it.
    lines: Mutex<(i64, u32)>,
}

impl LogLimit {
    pub(crate) fn new(lines_per_second_max: u32) -> Self {
        Self { lines_per_second_max, lines: Mutex::default() }
    }

    /// Counts a line and says whether it may be written.
    pub(crate) fn lets_through(&self, now: Now) -> bool {
        let second = now.wall.as_millis() / 1_000;
        let mut lines = self.lines.lock();
        if lines.0 != second {
            *lines = (second, 0);
        }
        lines.1 = lines.1.saturating_add(1);
        lines.1 <= self.lines_per_second_max
    }
}

/// Between two lines about a trouble that lasts.
const LASTING: Duration = Duration::from_secs(60);

/// Lets a trouble that lasts be told when it begins, and once a minute after that.
#[derive(Debug, Default)]
pub(crate) struct LastingTrouble {
    /// When it may be told again.
    next: Option<Moment>,
}

impl LastingTrouble {
    pub(crate) fn is_due(&mut self, now: Moment) -> bool {
        let due = self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + LASTING);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Timestamp;

    #[test]
    fn a_trouble_that_lasts_is_told_once_a_minute() {
        let mut trouble = LastingTrouble::default();
        let told = (0..1_800).map(|tenth| Moment::since_start(Duration::from_millis(tenth * 100)));
        assert_eq!(told.filter(|now| trouble.is_due(*now)).count(), 3);
    }

    #[test]
    fn whoever_complains_all_the_time_is_heard_a_few_times_a_second() {
        let limit = LogLimit::new(10);
        let at = |millis| Now { moment: Moment::default(), wall: Timestamp::from_millis(millis) };
        assert_eq!((0..1_000).filter(|_| limit.lets_through(at(500))).count(), 10);
        assert!(limit.lets_through(at(1_500)));
    }
}
