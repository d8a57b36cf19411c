//! Waiting by the fake clock.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use flow::services::{Answer, Timers};
use message::Moment;

use crate::Clock;

/// The timers of one simulated node.
#[derive(Debug, Default)]
pub struct SimulatedTimers {
    clock: Clock,
    waiting: Arc<Mutex<Vec<(Moment, Waker)>>>,
}

impl SimulatedTimers {
    pub fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), waiting: Arc::default() })
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Moment> {
        lock(&self.waiting).iter().map(|(due, _)| *due).min()
    }

    /// Wakes whoever waited for a moment that has come.
    pub fn wake_due(&self) {
        let now = self.clock.moment();
        let mut waiting = lock(&self.waiting);
        let (due, later) = waiting.drain(..).partition::<Vec<_>, _>(|(due, _)| *due <= now);
        *waiting = later;
        drop(waiting);
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Timers for SimulatedTimers {
    fn sleep(&self, span: Duration) -> Answer<()> {
        let (clock, waiting) = (self.clock.clone(), Arc::clone(&self.waiting));
        let due = clock.moment() + span;
        Box::pin(poll_fn(move |cx| {
            if clock.moment() >= due {
                return Poll::Ready(());
            }
            lock(&waiting).push((due, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

fn lock(waiting: &Mutex<Vec<(Moment, Waker)>>) -> MutexGuard<'_, Vec<(Moment, Waker)>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
