//! Tells a script that nothing can interrupt from one that is only late. A script that can be interrupted comes to its end
//! within milliseconds of processor time once its limit has passed; one that uses more than that asks no one. The wall
//! clock alone cannot tell: on a busy machine a thread may wait for a processor for longer than any limit.

use std::sync::Arc;
use std::time::Duration;

use flow::script::{Heartbeat, Overrun};

/// The processor time beyond its limit that proves that a script cannot be interrupted: far more than the longest stretch
/// between two questions, far less than a person notices.
const SCRIPT_CPU_GRACE: Duration = Duration::from_millis(200);
/// Where the system does not tell the time of a thread, the wall clock has to do.
const SCRIPT_GRACE: Duration = Duration::from_secs(1);

/// Looks after the scripts of one thread.
#[derive(Debug, Default)]
pub(super) struct OverrunWatch {
    heartbeat: Option<Arc<Heartbeat>>,
    /// The run that was seen beyond its limit, and the processor time of its thread at that moment.
    seen: Option<(u64, Option<Duration>)>,
}

impl OverrunWatch {
    pub(super) fn new(heartbeat: Arc<Heartbeat>) -> Self {
        Self { heartbeat: Some(heartbeat), seen: None }
    }

    /// Why the thread is stuck, if a script is. `thread_cpu` gives the processor time that the thread has used.
    pub(super) fn stuck(&mut self, thread_cpu: impl FnOnce() -> Option<Duration>) -> Option<String> {
        let overrun = self.heartbeat.as_ref()?.overrun()?;
        self.proves(overrun, thread_cpu())
            .then(|| format!("a script runs for {} ms and cannot be interrupted", overrun.lasting.as_millis()))
    }

    fn proves(&mut self, overrun: Overrun, cpu: Option<Duration>) -> bool {
        let Some((_, before)) = self.seen.filter(|(run, _)| *run == overrun.run) else {
            self.seen = Some((overrun.run, cpu));
            return false;
        };
        match (cpu, before) {
            (Some(cpu), Some(before)) => cpu.saturating_sub(before) > SCRIPT_CPU_GRACE,
            _ => overrun.lasting > overrun.time_max + SCRIPT_GRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(run: u64, lasting_ms: u64) -> Overrun {
        Overrun { run, lasting: Duration::from_millis(lasting_ms), time_max: Duration::from_millis(500) }
    }

    fn ms(cpu_ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(cpu_ms))
    }

    #[test]
    fn a_run_that_uses_its_processor_beyond_its_limit_is_stuck() {
        let mut watch = OverrunWatch::default();
        assert!(!watch.proves(run(1, 600), ms(5_600)));
        assert!(!watch.proves(run(1, 750), ms(5_700)));
        assert!(watch.proves(run(1, 850), ms(5_801)));
    }

    #[test]
    fn a_run_that_waits_for_a_processor_is_only_late() {
        let mut watch = OverrunWatch::default();
        for lasting_ms in [600, 5_000, 60_000] {
            assert!(!watch.proves(run(1, lasting_ms), ms(100)));
        }
    }

    #[test]
    fn every_run_begins_anew() {
        let mut watch = OverrunWatch::default();
        assert!(!watch.proves(run(1, 600), ms(1_000)));
        assert!(!watch.proves(run(2, 600), ms(1_600)));
        assert!(!watch.proves(run(3, 600), ms(2_200)));
    }

    #[test]
    fn the_wall_clock_has_to_do_where_a_threads_time_is_not_told() {
        let mut watch = OverrunWatch::default();
        assert!(!watch.proves(run(1, 1_600), None));
        assert!(!watch.proves(run(1, 1_500), None));
        assert!(watch.proves(run(1, 1_501), None));
    }
}
