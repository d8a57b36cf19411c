//! Keep alive, section 3.1.2.10: a client that is silent for one and a half times the agreed span is taken for lost.

use std::time::Duration;

use message::Moment;

/// When the client was last heard, and how long it may be silent.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// One and a half times the keep alive; `None` when it is off.
    silence_max: Option<Duration>,
    last_heard: Moment,
}

impl KeepAlive {
    pub(super) fn new(keep_alive_s: u16, now: Moment) -> Self {
        let silence_max = (keep_alive_s > 0).then(|| Duration::from_millis(u64::from(keep_alive_s) * 1500));
        Self { silence_max, last_heard: now }
    }

    #[inline]
    pub(super) fn heard(&mut self, now: Moment) {
        self.last_heard = now;
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        Some(self.last_heard + self.silence_max?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_ends_after_one_and_a_half_times_the_keep_alive() {
        let start = Moment::since_start(Duration::from_secs(1));
        let mut keep_alive = KeepAlive::new(3, start);
        assert_eq!(keep_alive.deadline(), Some(start + Duration::from_millis(4500)));
        keep_alive.heard(start + Duration::from_secs(2));
        assert_eq!(keep_alive.deadline(), Some(start + Duration::from_millis(6500)));
        assert_eq!(KeepAlive::new(0, start).deadline(), None);
    }
}
