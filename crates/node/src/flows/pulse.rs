//! How a flow's thread tells the node that it is alive, and how the node tells it to give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use flow::script::Heartbeat;
use message::Moment;
use parking_lot::Mutex;

use super::overrun::OverrunWatch;
use crate::clock;

/// Shared between a flow's thread and the watchdog.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// When the present batch began, in nanoseconds since the start of the process; 0 when the thread waits.
    busy_since_ns: AtomicU64,
    /// CPU time of the thread in nanoseconds, as of its last rest.
    cpu_ns: AtomicU64,
    /// The thread's id in the kernel; 0 before it has started.
    thread: AtomicI32,
    /// Set when the thread was given up: whatever it still does shall come to nothing.
    cancelled: Arc<AtomicBool>,
    /// Set when the thread has come to its end.
    ended: AtomicBool,
    script: Mutex<OverrunWatch>,
}

/// A batch that takes longer than this means a step that never ends.
const BATCH_MAX: Duration = Duration::from_secs(120);

impl Pulse {
    pub(super) fn begin(&self, now: Moment) {
        self.busy_since_ns.store(now.as_nanos().max(1), Ordering::Relaxed);
    }

    pub(super) fn rest(&self) {
        self.busy_since_ns.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_script(&self, heartbeat: Arc<Heartbeat>) {
        *self.script.lock() = OverrunWatch::new(heartbeat);
    }

    pub(super) fn set_thread(&self, id: i32) {
        self.thread.store(id, Ordering::Relaxed);
    }

    pub(super) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    pub(super) fn set_cpu(&self, span: Duration) {
        self.cpu_ns.store(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Why the thread must be given up, if it is stuck and was not given up before.
    pub(super) fn stuck(&self, now: Moment) -> Option<String> {
        if self.is_cancelled() {
            return None;
        }
        let script = self.script.lock().stuck(|| clock::thread_cpu_of(self.thread()));
        if script.is_some() {
            return script;
        }
        let since_ns = self.busy_since_ns.load(Ordering::Relaxed);
        let busy = Duration::from_nanos(now.as_nanos().saturating_sub(since_ns));
        (since_ns > 0 && busy > BATCH_MAX).then(|| format!("a step runs for {} s", busy.as_secs()))
    }
}
