//! What the clients of one run share: where the node is in this life, and how far they are.

use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::harness::DEADLINE;

#[derive(Debug, Default)]
pub(crate) struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The node of this life.
    address: Option<SocketAddr>,
    life: u64,
    acknowledged: u64,
    subscribed: bool,
    finishing: bool,
}

impl Stage {
    /// The node listens here now.
    pub(crate) fn open(&self, address: SocketAddr) {
        self.change(|state| {
            state.address = Some(address);
            state.life += 1;
        });
    }

    /// Where the node listens in the first life after `life`, and which one that is.
    pub(crate) fn await_life_after(&self, life: u64) -> (SocketAddr, u64) {
        self.await_that("the node's next life", |state| {
            state.address.filter(|_| state.life > life).map(|at| (at, state.life))
        })
    }

    pub(crate) fn note_subscribed(&self) {
        self.change(|state| state.subscribed = true);
    }

    pub(crate) fn await_subscribed(&self) {
        self.await_that("the subscription", |state| state.subscribed.then_some(()));
    }

    pub(crate) fn note_acknowledged(&self, count: usize) {
        self.change(|state| state.acknowledged += count as u64);
    }

    /// Waits until so many more were acknowledged.
    pub(crate) fn await_acknowledgements(&self, count: u64) {
        let target = self.state.lock().acknowledged + count;
        self.await_that("acknowledgements", |state| (state.acknowledged >= target).then_some(()));
    }

    /// No message is begun any more.
    pub(crate) fn finish(&self) {
        self.change(|state| state.finishing = true);
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.state.lock().finishing
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    fn await_that<T>(&self, what: &str, hoped: impl Fn(&State) -> Option<T>) -> T {
        let mut state = self.state.lock();
        let mut waited = Duration::ZERO;
        loop {
            if let Some(answer) = hoped(&state) {
                return answer;
            }
            // Counted in waits without any change, whatever the clock says.
            if self.changed.wait_for(&mut state, DEADLINE).timed_out() {
                waited += DEADLINE;
            }
            assert!(waited.is_zero(), "{what} did not come: {state:?}");
        }
    }
}
