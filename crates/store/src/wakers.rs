//! Those who wait for something, each once however often it asks.

use std::collections::HashMap;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// Wakers without repetition. One is told from another by its two pointers, which nobody else has while it is held.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    held: HashMap<(usize, usize), Waker, foldhash::fast::FixedState>,
}

impl Wakers {
    pub(crate) fn add(&mut self, waker: &Waker) {
        let vtable: *const _ = waker.vtable();
        self.held.entry((waker.data().addr(), vtable.addr())).or_insert_with(|| waker.clone());
    }

    /// All of them, to be woken when no lock is held.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.held).into_values()
    }
}

/// Those who wait for the next time that something moves.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Wakers>);

impl Waiters {
    /// Waits until `now` is something, which has to be so before [`Self::wake`] is called.
    pub(crate) fn poll<T>(&self, waker: &Waker, now: impl Fn() -> Option<T>) -> Poll<T> {
        let mut waiting = self.0.lock();
        if let Some(value) = now() {
            return Poll::Ready(value);
        }
        waiting.add(waker);
        Poll::Pending
    }

    pub(crate) fn wake(&self) {
        let waiting = self.0.lock().take();
        waiting.for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_asks_twice_is_woken_once_and_nobody_is_forgotten() {
        let counts: [Arc<Count>; 2] = Default::default();
        let own = counts.each_ref().map(|count| Waker::from(Arc::clone(count)));
        let mut wakers = Wakers::default();
        for waker in [&own[0], &own[1], &own[0].clone(), &own[1]] {
            wakers.add(waker);
        }
        wakers.take().for_each(Waker::wake);
        wakers.take().for_each(Waker::wake);
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [1, 1]);
    }
}
