//! Points in time by a cron expression, on a wall clock that may be set.

use std::time::Duration;

use croner::Cron;
use croner::parser::CronParser;
use jiff::tz::TimeZone;
use message::{Moment, Now, Timestamp, limits};

/// When the wall clock goes back by less than this, points that were passed do not come again.
const SET_BACK_MIN: Duration = Duration::from_secs(60);

/// A cron expression in a time zone, and the point it waits for.
#[derive(Debug)]
pub(super) struct Calendar {
    cron: Cron,
    zone: TimeZone,
    checked: Now,
    next: Option<Timestamp>,
}

/// Reads a cron expression: five fields from minute to weekday, six with seconds in front.
fn parse_cron(text: &str) -> Result<Cron, String> {
    CronParser::new()
        .parse(text)
        .map_err(|error| format!("`{text}` is no cron expression: {}", error.to_string().to_lowercase()))
}

/// Tells of an expression whose days no calendar has, as in `0 0 30 2 *`.
pub(super) fn check_cron(text: &str) -> Result<(), String> {
    let cron = parse_cron(text)?;
    // From any year on: leap years come again.
    let start = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    cron.find_next_occurrence(&start, false).map(|_| ()).map_err(|_| never_comes(text))
}

fn never_comes(text: &str) -> String {
    format!("`{text}` never comes: there is no such day")
}

impl Calendar {
    pub(super) fn new(text: &str, zone: TimeZone, now: Now) -> Result<Self, String> {
        let mut calendar = Self { cron: parse_cron(text)?, zone, checked: now, next: None };
        calendar.next = calendar.after(now.wall);
        match calendar.next {
            Some(_) => Ok(calendar),
            None => Err(never_comes(text)),
        }
    }

    /// Whether a point has come since the last call. Several at once count as one.
    pub(super) fn take_due(&mut self, now: Now) -> bool {
        if self.checked.wall - now.wall >= SET_BACK_MIN {
            self.next = self.after(now.wall);
        }
        self.checked = now;
        let due = self.next.is_some_and(|next| now.wall >= next);
        if due {
            self.next = self.after(now.wall);
        }
        due
    }

    /// When to look again: at the next point, or before, as the wall clock may have been set.
    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        let until = self.next? - self.checked.wall;
        Some(self.checked.moment + until.min(limits::CALENDAR_RECHECK_INTERVAL))
    }

    fn after(&self, wall: Timestamp) -> Option<Timestamp> {
        let start = jiff::Timestamp::from_microsecond(wall.as_micros()).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64, wall: &str) -> Now {
        Now { moment: Moment::since_start(Duration::from_millis(millis)), wall: wall.parse().unwrap() }
    }

    #[test]
    fn points_come_by_the_wall_clock_of_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let mut calendar = Calendar::new("30 8 * * *", zone, at(0, "2026-01-31T06:29:50Z")).unwrap();
        assert_eq!(calendar.poll_timeout(), Some(Moment::since_start(Duration::from_secs(10))));
        assert!(!calendar.take_due(at(9_999, "2026-01-31T06:29:59.999Z")));
        assert!(calendar.take_due(at(10_000, "2026-01-31T06:30:00Z")));
        assert!(!calendar.take_due(at(10_001, "2026-01-31T06:30:00.001Z")));
        assert_eq!(calendar.next.unwrap().to_string(), "2026-02-01T06:30:00Z");
    }

    #[test]
    fn a_clock_set_forward_brings_one_point_and_one_set_back_brings_its_points_again() {
        let mut calendar = Calendar::new("0 * * * *", TimeZone::UTC, at(0, "2026-01-31T08:30:00Z")).unwrap();
        // Looks again soon, though the next point is half an hour away.
        assert_eq!(calendar.poll_timeout(), Some(Moment::since_start(limits::CALENDAR_RECHECK_INTERVAL)));
        assert!(calendar.take_due(at(1_000, "2026-01-31T12:10:00Z")));
        assert!(!calendar.take_due(at(2_000, "2026-01-31T12:10:01Z")));
        assert!(!calendar.take_due(at(3_000, "2026-01-31T08:59:00Z")));
        assert!(calendar.take_due(at(63_000, "2026-01-31T09:00:00Z")));
        // A small correction does not bring it twice.
        assert!(!calendar.take_due(at(63_001, "2026-01-31T08:59:59.9Z")));
        assert!(!calendar.take_due(at(63_101, "2026-01-31T09:00:00Z")));
    }

    #[test]
    fn what_is_no_cron_expression_or_never_comes_is_refused() {
        for text in ["", "* * *", "61 * * * *", "x", "0 0 30 2 *"] {
            assert!(Calendar::new(text, TimeZone::UTC, at(0, "2026-01-31T08:30:00Z")).is_err(), "{text}");
            assert!(check_cron(text).is_err(), "{text}");
        }
        for text in ["0 0 29 2 *", "0 6 * * mon-fri", "*/10 * * * * *"] {
            assert_eq!(check_cron(text), Ok(()), "{text}");
        }
    }
}
