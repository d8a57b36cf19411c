//! How far a log is safe, and who waits for it to be.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use crate::Durability;
use crate::wakers::Waiters;

/// A place in a log that someone waits for, and how safe it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitPoint {
    /// The records below this number are with the operating system.
    written: u64,
    /// Those below this one are on the disk.
    synced: u64,
}

impl CommitPoint {
    /// The point that is reached from the beginning: nothing to wait for.
    pub const REACHED: Self = Self { written: 0, synced: 0 };

    /// The point at which the records below this number are as safe as this asks for.
    pub(crate) fn at(until: u64, durability: Durability) -> Self {
        match durability {
            Durability::Memory => Self::REACHED,
            Durability::Os => Self { written: until, synced: 0 },
            Durability::Fsync => Self { written: 0, synced: until },
        }
    }

    /// The point that is reached when both are, and no later.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { written: self.written.max(other.written), synced: self.synced.max(other.synced) }
    }
}

/// The log takes no more records: a write or a sync failed, and what is on the disk is unknown until it is opened anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log {folder} takes no more: {what}; free or replace the disk and start again")]
pub struct Poisoned {
    pub folder: String,
    pub what: String,
}

/// The marks of one log. Records below a mark are safe.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    written: AtomicU64,
    synced: AtomicU64,
    /// Files that were removed, of those that were to be since the log was opened.
    removed: AtomicU64,
    for_removed: Waiters,
    for_written: Waiters,
    for_synced: Waiters,
    for_poison: Waiters,
    poison: OnceLock<Poisoned>,
}

impl Marks {
    /// Marks of a log whose records below `next` are safe.
    pub(crate) fn starting_at(next: u64) -> Self {
        Self { written: AtomicU64::new(next), synced: AtomicU64::new(next), ..Self::default() }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    pub(crate) fn reached(&self, point: CommitPoint) -> bool {
        point.synced <= self.synced() && point.written <= self.written()
    }

    pub(crate) fn poll(&self, point: CommitPoint, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        if self.reached(point) {
            return Poll::Ready(Ok(()));
        }
        let waiters = if point.synced > self.synced() { &self.for_synced } else { &self.for_written };
        // Who waits for both marks and finds only the one reached meanwhile is woken by the next move of the other at the latest.
        waiters.poll(waker, || match self.reached(point) {
            true => Some(Ok(())),
            false => self.poisoned().map(Err),
        })
    }

    pub(crate) fn move_written(&self, next: u64) {
        self.written.fetch_max(next, Ordering::Release);
        self.for_written.wake();
    }

    pub(crate) fn move_synced(&self, next: u64) {
        self.synced.fetch_max(next, Ordering::Release);
        self.for_synced.wake();
    }

    /// So many of the files that were to be removed are gone from the disk.
    pub(crate) fn move_removed(&self, files: u64) {
        self.removed.fetch_max(files, Ordering::Release);
        self.for_removed.wake();
    }

    /// Waits until so many are.
    pub(crate) fn poll_removed(&self, files: u64, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        let is_done = || files <= self.removed.load(Ordering::Acquire);
        self.for_removed.poll(waker, || if is_done() { Some(Ok(())) } else { self.poisoned().map(Err) })
    }

    pub(crate) fn poison(&self, poisoned: Poisoned) {
        // The first reason is the one that counts.
        let _ = self.poison.set(poisoned);
        self.for_written.wake();
        self.for_synced.wake();
        self.for_removed.wake();
        self.for_poison.wake();
    }

    /// Waits until the log takes no more.
    pub(crate) fn poll_poisoned(&self, waker: &Waker) -> Poll<Poisoned> {
        self.for_poison.poll(waker, || self.poisoned())
    }

    pub(crate) fn poisoned(&self) -> Option<Poisoned> {
        self.poison.get().cloned()
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_who_asks_often_is_woken_once_for_the_mark_that_counts() {
        let marks = Marks::starting_at(5);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let point = CommitPoint::at(6, Durability::Fsync);
        for _ in 0..3 {
            assert_eq!(marks.poll(point, &waker), Poll::Pending);
        }
        marks.move_written(6);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(marks.reached(CommitPoint::at(6, Durability::Os)));
        marks.move_synced(6);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(marks.poll(point, &waker), Poll::Ready(Ok(())));
    }

    #[test]
    fn poison_ends_all_waiting_and_leaves_what_is_safe_safe() {
        let marks = Marks::starting_at(5);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let point = |until| CommitPoint::at(until, Durability::Fsync);
        assert!(marks.poll(point(6), &waker).is_pending());
        let poisoned = Poisoned { folder: "spool".to_owned(), what: "it broke".to_owned() };
        assert!(marks.poll_poisoned(&waker).is_pending());
        marks.move_synced(5);
        assert!(marks.poll(point(6), &waker).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        marks.poison(poisoned.clone());
        assert_eq!(count.0.load(Ordering::Relaxed), 3, "who waits for the mark and for the poison");
        assert_eq!(marks.poll_poisoned(&waker), Poll::Ready(poisoned.clone()));
        assert_eq!(marks.poll(point(6), &waker), Poll::Ready(Err(poisoned)));
        assert_eq!(marks.poll(point(5), &waker), Poll::Ready(Ok(())));
    }

    #[test]
    fn two_points_are_reached_together_as_soon_as_each_is() {
        let marks = Marks::starting_at(5);
        let joined = CommitPoint::at(9, Durability::Os).join(CommitPoint::at(6, Durability::Fsync));
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert!(marks.poll(joined, &waker).is_pending());
        marks.move_synced(6);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(marks.poll(joined, &waker).is_pending());
        marks.move_written(9);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(marks.poll(joined, &waker), Poll::Ready(Ok(())), "nobody asks for the rest to be synced");
    }
}
