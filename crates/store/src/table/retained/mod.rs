//! Retained messages: the last one of each topic that asked for it. They change thousands of times a second, so what
//! waits for the disk is gathered by topic (see `gathered.rs`), and a commit writes only the last of each.
//!
//! Record, with version and check (see `record.rs`): the message without its topic, which is the key (see
//! `publication.rs`), then the revision of its change (LEB128), if it has one. One without a payload stands for a topic
//! that was cleared, while an earlier change of it may still stand in the spool alone. Up to which revision that cannot be
//! stands in `meta` under [`MARK_KEY`] (8 bytes, little endian).

mod gathered;

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};

use message::{Publication, TopicName};

use self::gathered::{Flush, Gathered, Need};
use super::committer::Committer;
use super::meta;
use super::publication::{read_publication, write_publication};
use super::read::{ALL, ReadError, ReadFault, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::schema::Snapshot;
use super::written::WriteError;
use crate::{Revision, RevisionMark, Turn};

/// Where the mark stands in `meta`.
pub(super) const MARK_KEY: &str = "retained_revision";

/// Retained messages, by topic.
#[derive(Clone)]
pub struct RetainedTable {
    committer: Arc<Committer>,
    gathered: Arc<Gathered>,
}

/// The place of a change among all changes of retained messages: once it is reached, this one and all before it are on
/// disk, or have been overtaken by later ones that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetainedPoint(u64);

impl RetainedTable {
    pub(super) fn new(committer: Arc<Committer>) -> Self {
        let mark = committer.shared.read(|| format!("`{MARK_KEY}` of the node's own facts"), read_mark);
        // Without it, what the spool has is held against each topic alone.
        let gathered = Gathered::new(RevisionMark::new(mark.unwrap_or_default()));
        Self { committer, gathered: Arc::new(gathered) }
    }

    /// Keeps a message in place of its topic's last one. `replaces` says whether there is one: what was never on disk
    /// need not be cleared there.
    pub fn keep(&self, publication: Arc<Publication>, replaces: bool, turn: Turn) -> RetainedPoint {
        let topic = publication.topic.clone();
        self.change(topic, Some(publication), replaces, turn)
    }

    /// Removes a topic's message.
    pub fn clear(&self, topic: TopicName, turn: Turn) -> RetainedPoint {
        self.change(topic, None, true, turn)
    }

    /// How far the table is.
    pub fn mark(&self) -> RevisionMark {
        self.gathered.mark().clone()
    }

    /// Ready when a change is on disk, or when it is not there for the reason given. In the latter case it is tried
    /// again as long as the file takes writes. `waker` is called when it is worth asking again.
    pub fn poll_reached(&self, point: RetainedPoint, waker: &Waker) -> Poll<Result<(), WriteError>> {
        self.gathered.poll_reached(point.0, waker)
    }

    /// The last change so far.
    pub fn last_point(&self) -> RetainedPoint {
        RetainedPoint(self.gathered.last())
    }

    /// Hands every message to `take` with the revision of its change, in the order of the topics. One without a payload says
    /// that its topic was cleared.
    pub fn each(&self, mut take: impl FnMut(Publication, Revision)) -> Result<Scan, ReadError> {
        self.committer.shared.scan(
            "the retained messages",
            |snapshot| &snapshot.retained,
            ALL,
            |key, record| {
                let (publication, revision) = decode(key, record)?;
                take(publication, revision);
                Ok(())
            },
        )
    }

    /// Topics whose change waits for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.gathered.waiting()
    }

    fn change(
        &self,
        topic: TopicName,
        publication: Option<Arc<Publication>>,
        replaces: bool,
        turn: Turn,
    ) -> RetainedPoint {
        if let Some(error) = self.committer.shared.poisoned() {
            self.gathered.give_up(error);
        }
        let (point, need) = self.gathered.add(topic, publication, replaces, turn);
        match need {
            Need::Nothing => {}
            Need::Retry => self.committer.shared.retry(),
            Need::Flush => {
                let flush = Box::new(Flush::new(Arc::clone(&self.gathered)));
                if let Err(error) = self.committer.shared.push(flush) {
                    self.gathered.give_up(error);
                }
            }
        }
        RetainedPoint(point)
    }
}

impl fmt::Debug for RetainedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetainedTable")
    }
}

pub(super) fn encode(publication: &Publication, revision: Revision) -> Vec<u8> {
    let mut writer = RecordWriter::new();
    write_publication(&mut writer, publication);
    if revision > Revision::default() {
        writer.varint(revision.0);
    }
    writer.finish(publication.topic.as_str().as_bytes())
}

pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<(Publication, Revision), RecordError> {
    let mut reader = RecordReader::open(key, record)?;
    let topic = std::str::from_utf8(key).ok().and_then(|topic| TopicName::parse(topic).ok());
    let publication = read_publication(&mut reader, topic.ok_or(RecordError::Content("a key that is no topic"))?)?;
    // Those of earlier versions have none.
    let revision = if reader.left() > 0 { Revision(reader.varint()?) } else { Revision::default() };
    reader.end()?;
    Ok((publication, revision))
}

fn read_mark(snapshot: &Snapshot) -> Result<Revision, ReadFault> {
    let Some(record) = snapshot.meta.get(MARK_KEY.as_bytes())? else { return Ok(Revision::default()) };
    let mut reader = RecordReader::open(MARK_KEY.as_bytes(), record.value())?;
    let bytes = reader.bytes()?.try_into().map_err(|_| RecordError::Short)?;
    reader.end()?;
    Ok(Revision(u64::from_le_bytes(bytes)))
}

fn encode_mark(mark: Revision) -> Vec<u8> {
    meta::encode(MARK_KEY, &mark.0.to_le_bytes())
}
