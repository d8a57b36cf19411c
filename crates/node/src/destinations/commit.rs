//! A write that is on its way to the disk.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use broker::{Broken, Pending, Promises};
use store::log::{CommitPoint, Poisoned};
use store::spool::Spool;

/// Resolves when what was written is as safe as its destination asks for.
#[derive(Debug)]
#[must_use = "what is promised to others depends on it"]
pub(crate) struct Commit {
    spool: Spool,
    point: CommitPoint,
}

impl Commit {
    pub(super) fn new(spool: &Spool, point: CommitPoint) -> Self {
        Self { spool: spool.clone(), point }
    }

    /// Resolves when both are safe.
    pub(crate) fn join(self, other: Self) -> Self {
        Self { point: self.point.join(other.point), ..self }
    }

    /// The same in the broker's words.
    pub(super) fn into_promises(self) -> Promises {
        let mut promises = Promises::default();
        if !self.spool.committed(self.point) {
            promises.add(Box::new(self));
        }
        promises
    }
}

impl Future for Commit {
    type Output = Result<(), Poisoned>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.spool.poll_committed(self.point, context.waker())
    }
}

impl Pending for Commit {
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Result<(), Broken>> {
        self.spool.poll_committed(self.point, waker).map(|reached| reached.map_err(|_| Broken::Failed))
    }
}
