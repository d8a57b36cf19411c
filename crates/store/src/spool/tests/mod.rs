//! Tests of the spool on a simulated disk, whose committer is stepped.

mod crowded;
mod damage;
mod frozen;
mod labels;
mod laid_out;
mod limits;
mod messages;
mod model;
mod power_cut;
mod retained;
mod rewrite;
mod rewrite_model;
mod unreadable;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::{Bytes, DestinationId, Publication, QoS, Timestamp, TopicName};

use super::{
    AppendError, DestinationOptions, ExactlyOnce, Ordinal, Placed, Placement, Recovery, RewriteStep, Spool,
    SpoolOptions, Spooled,
};
use crate::disk::SimulatedDisk;
use crate::log::{CommitPoint, Committer};

const FOLDER: &str = "/data/spool";
const SMALL: SpoolOptions = SpoolOptions { segment_bytes: 1024, bytes_max: u64::MAX };

/// A spool with what it stands on.
struct Bench {
    disk: SimulatedDisk,
    committer: Committer,
    spool: Spool,
    recovery: Recovery,
}

impl Bench {
    fn open(disk: SimulatedDisk) -> Self {
        Self::open_with(disk, SMALL)
    }

    fn open_with(disk: SimulatedDisk, options: SpoolOptions) -> Self {
        let committer = Committer::stepped();
        let (spool, recovery) = Spool::open(Arc::new(disk.clone()), Path::new(FOLDER), options, &committer).unwrap();
        Self { disk, committer, spool, recovery }
    }

    fn new() -> Self {
        Self::open(SimulatedDisk::new(1))
    }

    /// The spool as the next process finds it when this one is killed.
    fn kill(self) -> Self {
        Self::open(self.disk.after_kill())
    }

    fn commit(&self) {
        while self.committer.commit_once() {}
    }

    /// Writes anew what is worth it; how many segments went into others, or into none.
    fn rewrite(&self) -> usize {
        let mut rewriter = self.spool.rewriter();
        let mut rewritten = 0;
        loop {
            match rewriter.step().unwrap() {
                RewriteStep::Idle => break,
                RewriteStep::Worked => {}
                RewriteStep::Waits(_) => self.commit(),
                RewriteStep::Rewritten { segments, .. } => rewritten += segments,
            }
        }
        self.commit();
        rewritten
    }

    /// Its files.
    fn segments(&self) -> Vec<PathBuf> {
        crate::tests::segments(&self.disk)
    }

    /// Bytes of all of them.
    fn disk_bytes(&self) -> usize {
        self.segments().iter().map(|path| self.disk.content(path).unwrap().len()).sum()
    }

    /// Does what the committer does for a log that its disk holds up.
    fn lay_out(&self) {
        self.spool.log.lay_out_ahead(&|| true);
    }

    fn append(&self, payload: &str, to: &[u64]) -> Result<(CommitPoint, Vec<Placed>), AppendError> {
        self.append_at(1, payload, to, None)
    }

    fn append_at(
        &self,
        seconds: i64,
        payload: &str,
        to: &[u64],
        origin: Option<(u64, u16)>,
    ) -> Result<(CommitPoint, Vec<Placed>), AppendError> {
        let now = Timestamp::from_millis(seconds * 1000);
        let mut results = Vec::new();
        let origin = origin.map(|(id, packet)| ExactlyOnce {
            session: DestinationId::new(id),
            packet: NonZeroU16::new(packet).unwrap(),
            revision: None,
        });
        let to: Vec<Placement> = to.iter().map(|id| placement(*id)).collect();
        let named = to.iter().map(|placement| placement.destination).chain(origin.map(|origin| origin.session));
        for new in named.filter(|id| self.spool.state(*id).is_none()) {
            self.add(new.get(), DestinationOptions::default());
        }
        let point = self.spool.append(now, &publication(payload), origin, &to, |index, placed, _| {
            if placed != Placed::Refused {
                assert_eq!(index, results.len());
                results.push(placed);
            }
        })?;
        assert_eq!(results.len(), to.len());
        Ok((point, results))
    }

    fn acknowledge(&self, id: u64, ordinals: &[u64]) -> CommitPoint {
        let ordinals: Vec<Ordinal> = ordinals.iter().copied().map(Ordinal).collect();
        self.spool.acknowledge(DestinationId::new(id), &ordinals)
    }

    fn add(&self, id: u64, options: DestinationOptions) {
        self.spool.add(DestinationId::new(id), options).unwrap();
    }

    /// All that waits in a destination, read in small steps.
    fn read_all(&self, id: u64) -> Vec<Spooled> {
        let mut all = Vec::new();
        let mut from = Ordinal(0);
        loop {
            let before = all.len();
            let read = self.spool.read(DestinationId::new(id), from, 7, 300, &mut all).unwrap();
            assert!(all.len() - before <= 7);
            if !read.more {
                return all;
            }
            from = read.from;
        }
    }

    /// Ordinals and payloads of what waits.
    fn waiting(&self, id: u64) -> Vec<(u64, String)> {
        let text = |payload: &Bytes| String::from_utf8(payload.to_vec()).unwrap();
        self.read_all(id).iter().map(|spooled| (spooled.ordinal.0, text(&spooled.publication.payload))).collect()
    }

    fn payloads(&self, id: u64) -> Vec<String> {
        self.waiting(id).into_iter().map(|(_, payload)| payload).collect()
    }
}

fn placement(id: u64) -> Placement {
    Placement { destination: DestinationId::new(id), qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() }
}

fn publication(payload: &str) -> Publication {
    let topic = TopicName::parse("plant/line").unwrap();
    Publication::new(topic, Bytes::copy_from_slice(payload.as_bytes()), QoS::AtLeastOnce, Timestamp::from_millis(1000))
}
