//! How a log takes in. While the committer has enough of it, whoever brings more waits for that to be written: so a slow disk
//! slows its publishers down, and what they bring is not refused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use message::limits;

use crate::wakers::Waiters;

/// What publishers see of a log without its lock. It changes under that lock.
#[derive(Debug, Default)]
pub struct Intake {
    waiting_bytes: AtomicUsize,
    crowded: AtomicBool,
    /// The committer finds no room on the disk: nobody knows when it goes on.
    stuck: AtomicBool,
    waiting: Waiters,
}

impl Intake {
    /// Whether publishers should wait, as the committer has enough to write. It will have written it soon, or will be stuck:
    /// then nobody waits, and what comes is taken or refused at once.
    pub fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Acquire)
    }

    /// Waits until the log is not crowded. One who asks often is woken once.
    pub fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if !self.is_crowded() {
            return Poll::Ready(());
        }
        // Asked again under the lock: it is roomy before those who wait are taken.
        self.waiting.poll(waker, || (!self.is_crowded()).then_some(()))
    }

    /// Whether waiting helps no more, as the committer finds no room on the disk.
    pub fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// So many bytes wait. To be called under the log's lock; whether those who wait are to be woken after it.
    pub(super) fn note(&self, waiting_bytes: usize, is_poisoned: bool) -> bool {
        self.waiting_bytes.store(waiting_bytes, Ordering::Relaxed);
        let was_crowded = self.is_crowded();
        let most = if was_crowded { limits::LOG_BYTES_ROOMY } else { limits::LOG_BYTES_CROWDED };
        let is_crowded = waiting_bytes >= most && !is_poisoned && !self.is_stuck();
        if is_crowded != was_crowded {
            self.crowded.store(is_crowded, Ordering::Release);
        }
        was_crowded && !is_crowded
    }

    /// Whether the committer finds room on the disk. To be followed by [`Self::note`].
    pub(super) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Release);
    }

    pub(super) fn wake(&self) {
        self.waiting.wake();
    }
}
