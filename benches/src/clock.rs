//! The clock of the load generator: the only file here that reads one.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A monotonic time in nanoseconds since the first call.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub(crate) fn now_ns() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the load generator paces itself")]
pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Sleeps until `deadline_ns`, or not at all when that has passed. The system may oversleep by some 60 µs.
pub(crate) fn sleep_until(deadline_ns: u64) {
    let now = now_ns();
    if deadline_ns > now {
        sleep(Duration::from_nanos(deadline_ns - now));
    }
}
