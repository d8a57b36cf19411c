//! A message on its way into a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use store::log::{CommitPoint, Poisoned};
use store::stream::{Offset, Stream};

/// Resolves when the message is as safe as its stream asks for, and can be read.
#[derive(Debug)]
#[must_use = "what is promised to others depends on it"]
pub(crate) struct Appended {
    pub(super) stream: Stream,
    pub(super) offset: Offset,
    pub(super) point: CommitPoint,
}

impl Appended {
    /// Where the message stands.
    pub(crate) fn offset(&self) -> Offset {
        self.offset
    }
}

impl Future for Appended {
    type Output = Result<(), Poisoned>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.stream.poll_committed(self.point, context.waker())
    }
}
