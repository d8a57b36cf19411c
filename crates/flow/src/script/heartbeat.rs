//! The sign of life of a thread that runs JavaScript, for a watchdog on another thread, and the deadline of the
//! present run. This is the one place of the crate that reads a clock: a script can only be stopped from within.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A run that should have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overrun {
    /// Tells the runs of one thread apart.
    pub run: u64,
    /// How long it has been going on.
    pub lasting: Duration,
    /// The time that it may take.
    pub time_max: Duration,
}

/// Tells a watchdog since when a thread has been inside JavaScript. Some loops of the engine are native code that no
/// deadline reaches (`new Array(1e8).join('')`): only another thread can see that such a run is stuck. A run that
/// can be stopped from within is over within milliseconds of its limit.
#[derive(Debug)]
pub struct Heartbeat {
    origin: Instant,
    time_max: Duration,
    /// Nanoseconds from `origin` to the begin of the present run; 0 when none is under way.
    began: AtomicU64,
}

impl Heartbeat {
    #[expect(clippy::disallowed_methods, reason = "a script that does not end can only be stopped by the clock")]
    pub(super) fn new(time_max: Duration) -> Self {
        Self { origin: Instant::now(), time_max, began: AtomicU64::new(0) }
    }

    /// How long the present run has been going on; `None` when nothing runs.
    pub fn running_for(&self) -> Option<Duration> {
        let began = self.began.load(Ordering::Acquire);
        (began != 0).then(|| Duration::from_nanos(self.nanos().saturating_sub(began)))
    }

    /// The present run, if it goes on beyond its limit.
    pub fn overrun(&self) -> Option<Overrun> {
        let began = self.began.load(Ordering::Acquire);
        let lasting = Duration::from_nanos(self.nanos().saturating_sub(began));
        (began != 0 && lasting > self.time_max).then_some(Overrun { run: began, lasting, time_max: self.time_max })
    }

    fn begin(&self) -> u64 {
        // 0 means idle, so the first nanosecond counts as the second.
        let began = self.nanos().max(1);
        self.began.store(began, Ordering::Release);
        began
    }

    fn end(&self) {
        self.began.store(0, Ordering::Release);
    }

    #[expect(clippy::disallowed_methods, reason = "a script that does not end can only be stopped by the clock")]
    fn nanos(&self) -> u64 {
        u64::try_from(Instant::now().saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The deadline of the present run, asked by the engine every few thousand steps.
#[derive(Debug)]
pub(super) struct Deadline {
    heartbeat: Arc<Heartbeat>,
    at: Cell<u64>,
    passed: Cell<bool>,
}

impl Deadline {
    pub(super) fn new(heartbeat: Arc<Heartbeat>) -> Self {
        Self { heartbeat, at: Cell::new(u64::MAX), passed: Cell::new(false) }
    }

    pub(super) fn begin(&self) {
        self.passed.set(false);
        let limit = u64::try_from(self.heartbeat.time_max.as_nanos()).unwrap_or(u64::MAX);
        self.at.set(self.heartbeat.begin().saturating_add(limit));
    }

    pub(super) fn end(&self) {
        self.heartbeat.end();
        self.at.set(u64::MAX);
    }

    /// Whether the run must stop; remembers that it did.
    pub(super) fn is_over(&self) -> bool {
        let over = self.heartbeat.nanos() > self.at.get();
        if over {
            self.passed.set(true);
        }
        over
    }

    /// Whether the present or last run was stopped.
    pub(super) fn has_stopped(&self) -> bool {
        self.passed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_shows_while_it_goes_on() {
        let heartbeat = Arc::new(Heartbeat::new(Duration::from_secs(3600)));
        let deadline = Deadline::new(heartbeat.clone());
        assert_eq!(heartbeat.running_for(), None);
        deadline.begin();
        assert!(heartbeat.running_for().is_some());
        assert_eq!(heartbeat.overrun(), None);
        assert!(!deadline.is_over());
        deadline.end();
        assert_eq!(heartbeat.running_for(), None);
    }

    #[test]
    fn a_run_without_time_is_over_at_once() {
        let heartbeat = Arc::new(Heartbeat::new(Duration::ZERO));
        let deadline = Deadline::new(Arc::clone(&heartbeat));
        deadline.begin();
        while !deadline.is_over() {}
        assert!(deadline.has_stopped());
        let first = heartbeat.overrun().unwrap();
        assert_eq!(heartbeat.overrun().unwrap().run, first.run);
        deadline.end();
        assert_eq!(heartbeat.overrun(), None);
        deadline.begin();
        assert!(!deadline.has_stopped());
    }
}
