//! A bound on log lines: whatever goes wrong for every message, or for every connection, must not fill the disk.

use message::Now;
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

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Moment, Timestamp};

    #[test]
    fn whoever_complains_all_the_time_is_heard_a_few_times_a_second() {
        let limit = LogLimit::new(10);
        let at = |millis| Now { moment: Moment::default(), wall: Timestamp::from_millis(millis) };
        assert_eq!((0..1_000).filter(|_| limit.lets_through(at(500))).count(), 10);
        assert!(limit.lets_through(at(1_500)));
    }
}
