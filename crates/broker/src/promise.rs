//! What an acknowledgement depends on: that something is on disk. Whoever writes it gives a promise; whoever
//! acknowledges holds it until it is kept.

use std::fmt;
use std::task::{Poll, Waker};

use store::log::CommitPoint;
use store::spool::{AppendError, Spool};

/// A write that is under way.
pub trait Pending: Send + fmt::Debug {
    /// Whether it is on disk; if that is not known yet, `waker` is called when it is worth asking again. Not asked
    /// again once it is ready.
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Result<(), Broken>>;
}

/// Why a message is not where it should be: it must not be acknowledged as if it were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// MQTT says "quota exceeded" (0x97). Nothing was written; once there is room, it can be sent again.
    #[error("the disk or a destination of the message is full: make room, or send it again later")]
    NoRoom,
    /// MQTT says "implementation specific error" (0x83). Whether it was written shows when the node starts again.
    #[error("the disk of the node failed: see its log")]
    Failed,
}

/// Promises that are waited for together.
#[derive(Debug, Default)]
pub struct Promises {
    /// What almost all wait for: it costs no memory of its own.
    commit: Option<(Spool, CommitPoint)>,
    open: Vec<Box<dyn Pending>>,
    broken: Option<Broken>,
}

impl From<&AppendError> for Broken {
    fn from(error: &AppendError) -> Self {
        match error {
            AppendError::Poisoned(_) => Self::Failed,
            _ => Self::NoRoom,
        }
    }
}

impl Promises {
    /// Waits until the spool has reached a point.
    pub(crate) fn commit(spool: &Spool, point: CommitPoint) -> Self {
        let commit = (!spool.committed(point)).then(|| (spool.clone(), point));
        Self { commit, ..Self::default() }
    }

    /// Waits for one more.
    pub fn add(&mut self, pending: Box<dyn Pending>) {
        self.open.push(pending);
    }

    /// Something is known to have failed before it began.
    pub fn break_with(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Waits for what `other` waits for as well.
    pub fn merge(&mut self, other: Self) {
        self.commit = match (self.commit.take(), other.commit) {
            // A node has one spool.
            (Some((spool, one)), Some((_, two))) => Some((spool, one.join(two))),
            (one, two) => one.or(two),
        };
        self.open.extend(other.open);
        self.broken = self.broken.or(other.broken);
    }

    /// Whether nothing is waited for any more.
    pub fn are_settled(&self) -> bool {
        self.open.is_empty() && self.commit.as_ref().is_none_or(|(spool, point)| spool.committed(*point))
    }

    /// Whether anything was begun at all.
    pub(crate) fn are_under_way(&self) -> bool {
        self.commit.is_some() || !self.open.is_empty()
    }

    /// The first that was broken.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Like [`Promises::are_settled`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_settled(&mut self, waker: &Waker) -> Poll<()> {
        let broken = &mut self.broken;
        if let Some((spool, point)) = &self.commit
            && let Poll::Ready(kept) = spool.poll_committed(*point, waker)
        {
            if kept.is_err() {
                broken.get_or_insert(Broken::Failed);
            }
            self.commit = None;
        }
        self.open.retain_mut(|pending| match pending.poll_kept(waker) {
            Poll::Pending => true,
            Poll::Ready(kept) => {
                if let Err(why) = kept {
                    broken.get_or_insert(why);
                }
                false
            }
        });
        if self.open.is_empty() && self.commit.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct After(u32, Result<(), Broken>);

    impl Pending for After {
        fn poll_kept(&mut self, _waker: &Waker) -> Poll<Result<(), Broken>> {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    Poll::Pending
                }
                None => Poll::Ready(self.1),
            }
        }
    }

    #[test]
    fn all_are_waited_for_and_the_first_broken_one_is_remembered() {
        let mut promises = Promises::default();
        assert!(promises.are_settled());
        promises.add(Box::new(After(2, Err(Broken::Failed))));
        promises.add(Box::new(After(0, Ok(()))));
        promises.add(Box::new(After(1, Err(Broken::NoRoom))));
        let polled: Vec<bool> = (0..3).map(|_| promises.poll_settled(Waker::noop()).is_ready()).collect();
        assert_eq!(polled, [false, false, true]);
        assert!(promises.are_settled());
        assert_eq!(promises.broken(), Some(Broken::NoRoom));
    }
}
