//! Owners of mailboxes that are to be woken: at once, or together when a publisher has ended its batch.

use std::task::Waker;

use message::limits;

/// What a publisher does with the owners of mailboxes that it filled. Waking one costs as much as routing ten messages,
/// and an owner who is woken at the first message of a batch drains it in many small steps.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    held: Vec<Waker>,
    holding: bool,
}

impl Wakes {
    /// Wakes now, or later if wakes are held.
    pub(crate) fn wake(&mut self, waker: Waker) {
        if !self.holding {
            waker.wake();
            return;
        }
        self.held.push(waker);
        if self.held.len() >= limits::WAKES_HELD_MAX {
            self.wake_held();
        }
    }

    /// From now on nobody is woken. Returns what to give to [`Wakes::restore`].
    pub(super) fn hold(&mut self) -> bool {
        std::mem::replace(&mut self.holding, true)
    }

    /// Wakes as before a [`Wakes::hold`].
    pub(super) fn restore(&mut self, held: bool) {
        if !held {
            self.release();
        }
    }

    pub(super) fn release(&mut self) {
        self.holding = false;
        self.wake_held();
    }

    fn wake_held(&mut self) {
        self.held.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.wake_held();
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
    fn held_wakes_come_when_they_are_released_or_too_many_or_forgotten() {
        let count = Arc::<Count>::default();
        let woken = || count.0.load(Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&count));
        let mut wakes = Wakes::default();
        wakes.wake(waker.clone());
        assert_eq!(woken(), 1);
        wakes.hold();
        wakes.wake(waker.clone());
        assert_eq!(woken(), 1);
        wakes.release();
        assert_eq!(woken(), 2);
        wakes.hold();
        (0..limits::WAKES_HELD_MAX).for_each(|_| wakes.wake(waker.clone()));
        assert_eq!(woken(), 2 + limits::WAKES_HELD_MAX);
        wakes.wake(waker.clone());
        drop(wakes);
        assert_eq!(woken(), 3 + limits::WAKES_HELD_MAX);
    }
}
