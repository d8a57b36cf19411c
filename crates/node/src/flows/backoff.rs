//! How long a flow rests before it is started again after a crash.

use std::time::Duration;

use message::Moment;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// After this long without a crash the next rest is a short one again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Doubles the rest with every crash that follows closely on the one before.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Option<(Moment, Duration)>,
}

impl Backoff {
    /// The rest after a crash at `now`.
    pub(super) fn next(&mut self, now: Moment) -> Duration {
        let rest = match self.last {
            Some((when, rest)) if now.since(when) < rest + HEALTHY => (rest * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some((now, rest));
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_while_crashes_go_on_and_shrink_after_health() {
        let mut backoff = Backoff::default();
        let mut now = Moment::default();
        let mut rests = Vec::new();
        for _ in 0..10 {
            let rest = backoff.next(now);
            rests.push(rest.as_millis());
            now = now + rest;
        }
        assert_eq!(rests, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
        assert_eq!(backoff.next(now + Duration::from_secs(120)), FIRST);
    }
}
