//! Tests of streams on a simulated disk, whose committer is stepped.

mod asked;
mod damage;
mod frozen;
mod messages;
mod offsets;
mod power_cut;
mod unreadable;

use std::path::Path;
use std::sync::Arc;

use message::{Bytes, Publication, QoS, Timestamp, TopicName};

use super::{Offset, Stream, StreamOptions};
use crate::DestinationLimits;
use crate::disk::SimulatedDisk;
use crate::log::{AppendError, CommitPoint, Committer, LogRecovery};

const FOLDER: &str = "/data/streams/1";

fn small(retention: DestinationLimits) -> StreamOptions {
    StreamOptions { segment_bytes: 1024, retention, ..StreamOptions::default() }
}

/// A stream with what it stands on.
struct Bench {
    disk: SimulatedDisk,
    committer: Committer,
    stream: Stream,
    recovery: LogRecovery,
}

impl Bench {
    fn open(disk: SimulatedDisk, options: StreamOptions) -> Self {
        let committer = Committer::stepped();
        let (stream, recovery) = Stream::open(Arc::new(disk.clone()), Path::new(FOLDER), options, &committer).unwrap();
        Self { disk, committer, stream, recovery }
    }

    fn new() -> Self {
        Self::open(SimulatedDisk::new(1), small(DestinationLimits::NONE))
    }

    fn kill(self) -> Self {
        Self::open(self.disk.after_kill(), small(DestinationLimits::NONE))
    }

    fn commit(&self) {
        while self.committer.commit_once() {}
    }

    /// Does what the committer does for a log that its disk holds up.
    fn lay_out(&self) {
        self.stream.inner.log.lay_out_ahead(&|| true);
    }

    /// Appends a message at a second.
    fn append(&self, seconds: i64, payload: &str) -> (u64, CommitPoint) {
        self.try_append(seconds, payload).unwrap()
    }

    fn try_append(&self, seconds: i64, payload: &str) -> Result<(u64, CommitPoint), AppendError> {
        let now = Timestamp::from_millis(seconds * 1000);
        let topic = TopicName::parse("plant/line").unwrap();
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let publication = Publication::new(topic, payload, QoS::AtLeastOnce, now);
        let mut placed = None;
        let (offset, point) = self.stream.append(now, &publication, |offset| placed = Some(offset))?;
        assert_eq!(placed, Some(offset));
        Ok((offset.0, point))
    }

    /// Appends numbered messages, one a second, and commits them.
    fn fill(&self, numbers: std::ops::Range<i64>) {
        for number in numbers {
            self.append(number, &format!("message {number}"));
        }
        self.commit();
    }

    /// Offsets and payloads from an offset on, read in small steps, and how many are missing.
    fn read(&self, from: u64) -> (Vec<(u64, String)>, u64) {
        let (mut all, mut from, mut missing) = (Vec::new(), Offset(from), 0);
        loop {
            let before = all.len();
            let read = self.stream.read(from, 7, 200, &mut all).unwrap();
            assert!(all.len() - before <= 7);
            missing += read.missing;
            if !read.more {
                break;
            }
            assert!(read.from > from);
            from = read.from;
        }
        let text = |payload: &Bytes| String::from_utf8(payload.to_vec()).unwrap();
        (all.iter().map(|message| (message.offset.0, text(&message.publication.payload))).collect(), missing)
    }
}

/// What `fill` leaves.
fn numbered(numbers: std::ops::Range<i64>) -> Vec<(u64, String)> {
    numbers.map(|number| (number as u64, format!("message {number}"))).collect()
}
