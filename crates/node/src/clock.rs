//! The one place that reads clocks and draws chance. Everything else is given [`Now`] and seeds.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use message::{Moment, Now, Timestamp};

/// Both clocks of the machine, read together.
pub fn now() -> Now {
    Now { moment: moment(), wall: wall() }
}

/// The span since the clock was first read, which `main` does at once.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn moment() -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    Moment::since_start(START.get_or_init(Instant::now).elapsed())
}

/// The calendar, as the machine's administrator set it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar")]
fn wall() -> Timestamp {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        Err(before) => Timestamp::from_micros(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
    }
}

/// The tokio instant at which `moment` is reached, for its timers.
#[expect(clippy::disallowed_methods, reason = "tokio's timers count by the monotonic clock")]
pub fn tokio_instant(at: Moment) -> tokio::time::Instant {
    tokio::time::Instant::from_std(Instant::now()) + at.since(moment())
}

/// CPU time that the calling thread has used.
pub fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU time that a thread of this process has used, by its number in the kernel. `None` where the system does not tell.
pub fn thread_cpu_of(thread: i32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// A number that nobody can guess.
pub fn random_u64() -> u64 {
    // Linux refuses only before its pool is first filled; then the calendar has to do.
    getrandom::u64().unwrap_or_else(|_| wall().as_micros().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let earlier = now();
        let later = now();
        assert!(later.moment >= earlier.moment);
        assert!(earlier.wall > "2024-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_moment_of_the_past_is_due_at_once() {
        assert!(tokio_instant(Moment::default()).elapsed() < Duration::from_secs(60));
    }
}
