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

/// Promises that are waited for together.
#[derive(Debug, Default)]
pub struct Promises {
    /// What almost all wait for: it costs no memory of its own.
    commit: Option<(Spool, CommitPoint)>,
    streams: Streams,
    open: Vec<Box<dyn Pending>>,
    broken: Option<Broken>,
}

/// Streams that a message went to, and the point of each to wait for. Most go to one at most: that costs no memory of its own.
#[derive(Debug, Default)]
struct Streams {
    first: Option<(Stream, CommitPoint)>,
    others: Vec<(Stream, CommitPoint)>,
}

impl Streams {
    fn add(&mut self, stream: Stream, point: CommitPoint) {
        if let Some((_, known)) = self.first.iter_mut().chain(&mut self.others).find(|(known, _)| known.is(&stream)) {
            *known = known.join(point);
        } else if self.first.is_none() {
            self.first = Some((stream, point));
        } else {
            self.others.push((stream, point));
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    fn are_committed(&self) -> bool {
        self.first.iter().chain(&self.others).all(|(stream, point)| stream.committed(*point))
    }

    /// Forgets those whose point is reached; says whether one never will be.
    fn poll(&mut self, waker: &Waker) -> Result<(), Broken> {
        let mut result = Ok(());
        let mut is_pending = |(stream, point): &mut (Stream, CommitPoint)| match stream.poll_committed(*point, waker) {
            Poll::Pending => true,
            Poll::Ready(kept) => {
                result = result.and(kept.map_err(|_| Broken::Failed));
                false
            }
        };
        self.first.take_if(|first| !is_pending(first));
        self.others.retain_mut(is_pending);
        result
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
        let commit = (!spool.committed(point)).then(|| (spool.clone(), point));
        Self { commit, ..Self::default() }
    }

    /// Waits until a stream has reached a point.
    pub fn of_stream(stream: &Stream, point: CommitPoint) -> Self {
        let mut promises = Self::default();
        if !stream.committed(point) {
            promises.streams.first = Some((stream.clone(), point));
        }
        promises
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
        for (stream, point) in other.streams.first.into_iter().chain(other.streams.others) {
            self.streams.add(stream, point);
        }
        self.open.extend(other.open);
        self.broken = self.broken.or(other.broken);
    }

    /// Whether nothing is waited for any more.
    pub fn are_settled(&self) -> bool {
        self.open.is_empty()
            && self.commit.as_ref().is_none_or(|(spool, point)| spool.committed(*point))
            && self.streams.are_committed()
    }

    /// Whether anything is still asked for.
    fn are_under_way(&self) -> bool {
        self.commit.is_some() || !self.streams.is_empty() || !self.open.is_empty()
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
        if let Err(why) = self.streams.poll(waker) {
            broken.get_or_insert(why);
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
        if self.are_under_way() { Poll::Pending } else { Poll::Ready(()) }
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
        assert_eq!(all.streams.others.len(), 1);
        for committer in &committers {
            assert!(!all.are_settled() && all.poll_settled(Waker::noop()).is_pending());
            while committer.commit_once() {}
        }
        assert!(all.are_settled() && all.poll_settled(Waker::noop()).is_ready());
        assert_eq!((all.broken(), all.are_under_way()), (None, false));
    }
}
