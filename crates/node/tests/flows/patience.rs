//! Waiting for what comes in its own time. No test asserts how long something took; past the limit it counts as never.

use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(now().duration_since(started) < LIMIT, "never seen: {what}");
        pause(LOOK_EVERY);
    }
}

#[expect(clippy::disallowed_methods, reason = "the node under test runs by the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the node under test runs by the clock")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}
