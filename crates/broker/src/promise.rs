//! What an acknowledgement depends on: that something is on disk. Whoever writes it gives a promise; whoever
//! acknowledges holds it until it is kept.

use std::fmt;
use std::task::{Poll, Waker};

use store::log::CommitPoint;
use store::spool::{AppendError, Spool};
use store::stream::Stream;

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

/// Promises that are waited for together. Every published message has some: they are small as long as one log at most is
/// waited for.
#[derive(Debug, Default)]
pub struct Promises {
    /// What almost all wait for: it costs no memory of its own.
    first: Option<Commit>,
    others: Option<Box<Others>>,
    broken: Option<Broken>,
}

/// All but the first.
#[derive(Debug, Default)]
struct Others {
    commits: Vec<Commit>,
    open: Vec<Box<dyn Pending>>,
}

/// A log, and the point of it that is waited for.
#[derive(Debug)]
struct Commit {
    log: Log,
    point: CommitPoint,
}

#[derive(Debug)]
enum Log {
    /// A node has one.
    Spool(Spool),
    Stream(Stream),
}

impl Log {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Spool(_), Self::Spool(_)) => true,
            (Self::Stream(one), Self::Stream(other)) => one.is(other),
            (Self::Spool(_) | Self::Stream(_), _) => false,
        }
    }
}

impl Commit {
    fn is_reached(&self) -> bool {
        match &self.log {
            Log::Spool(spool) => spool.committed(self.point),
            Log::Stream(stream) => stream.committed(self.point),
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<(), Broken>> {
        let reached = match &self.log {
            Log::Spool(spool) => spool.poll_committed(self.point, waker),
            Log::Stream(stream) => stream.poll_committed(self.point, waker),
        };
        reached.map_err(|_| Broken::Failed)
    }
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
        let first = (!spool.committed(point)).then(|| Commit { log: Log::Spool(spool.clone()), point });
        Self { first, ..Self::default() }
    }

    /// Waits until a stream has reached a point.
    pub fn of_stream(stream: &Stream, point: CommitPoint) -> Self {
        let first = (!stream.committed(point)).then(|| Commit { log: Log::Stream(stream.clone()), point });
        Self { first, ..Self::default() }
    }

    /// Waits for one more.
    pub fn add(&mut self, pending: Box<dyn Pending>) {
        self.others.get_or_insert_default().open.push(pending);
    }

    fn add_commit(&mut self, commit: Commit) {
        let known = self.first.iter_mut().chain(self.others.iter_mut().flat_map(|others| &mut others.commits));
        if let Some(known) = known.into_iter().find(|known| known.log.is(&commit.log)) {
            known.point = known.point.join(commit.point);
        } else if self.first.is_none() {
            self.first = Some(commit);
        } else {
            self.others.get_or_insert_default().commits.push(commit);
        }
    }

    /// Something is known to have failed before it began.
    pub fn break_with(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Waits for what `other` waits for as well.
    pub fn merge(&mut self, other: Self) {
        if let Some(first) = other.first {
            self.add_commit(first);
        }
        if let Some(others) = other.others {
            others.commits.into_iter().for_each(|commit| self.add_commit(commit));
            if !others.open.is_empty() {
                self.others.get_or_insert_default().open.extend(others.open);
            }
        }
        self.broken = self.broken.or(other.broken);
    }

    /// Whether nothing is waited for any more.
    pub fn are_settled(&self) -> bool {
        let reached = |others: &Others| others.open.is_empty() && others.commits.iter().all(Commit::is_reached);
        self.first.as_ref().is_none_or(Commit::is_reached) && self.others.as_deref().is_none_or(reached)
    }

    /// The first that was broken.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Like [`Promises::are_settled`]; if not, `waker` is called when it is worth asking again.
    pub fn poll_settled(&mut self, waker: &Waker) -> Poll<()> {
        let mut broken = self.broken;
        let mut is_pending = |polled: Poll<Result<(), Broken>>| match polled {
            Poll::Pending => true,
            Poll::Ready(kept) => {
                broken = broken.or(kept.err());
                false
            }
        };
        self.first.take_if(|commit| !is_pending(commit.poll(waker)));
        self.others.take_if(|others| {
            others.commits.retain(|commit| is_pending(commit.poll(waker)));
            others.open.retain_mut(|open| is_pending(open.poll_kept(waker)));
            others.commits.is_empty() && others.open.is_empty()
        });
        self.broken = broken;
        if self.first.is_none() && self.others.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Bytes, Publication, QoS, Timestamp, TopicName};
    use std::path::Path;
    use std::sync::Arc;
    use store::disk::SimulatedDisk;
    use store::log::Committer;
    use store::stream::StreamOptions;

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

    #[test]
    fn a_message_is_settled_when_every_stream_that_it_went_to_has_it() {
        let disk = Arc::new(SimulatedDisk::new(1));
        let committers = [(); 2].map(|()| Committer::stepped());
        let streams: Vec<Stream> = ["/a", "/b"]
            .iter()
            .zip(&committers)
            .map(|(folder, committer)| {
                let options = StreamOptions::default();
                Stream::open(Arc::clone(&disk) as _, Path::new(folder), options, committer).unwrap().0
            })
            .collect();
        let now = Timestamp::default();
        let publication = Publication::new(TopicName::parse("a").unwrap(), Bytes::new(), QoS::AtLeastOnce, now);
        let mut all = Promises::default();
        for stream in streams.iter().chain(&streams) {
            let (_, point) = stream.append(now, &publication, |_| {}).unwrap();
            all.merge(Promises::of_stream(stream, point));
        }
        assert_eq!(all.others.as_ref().map(|others| others.commits.len()), Some(1));
        for committer in &committers {
            assert!(!all.are_settled() && all.poll_settled(Waker::noop()).is_pending());
            while committer.commit_once() {}
        }
        assert!(all.are_settled() && all.poll_settled(Waker::noop()).is_ready());
        assert_eq!((all.broken(), all.others.is_none()), (None, true));
    }

    #[test]
    fn they_are_small_as_every_message_has_them() {
        assert!(size_of::<Promises>() <= 56, "{} bytes", size_of::<Promises>());
        assert!(size_of::<crate::Routed>() <= 72, "{} bytes", size_of::<crate::Routed>());
    }
}
