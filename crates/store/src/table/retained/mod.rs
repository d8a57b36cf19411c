//! Retained messages: the last one of each topic that asked for it. They change thousands of times a second, so what
//! waits for the disk is gathered by topic (see `gathered.rs`), and a commit writes only the last of each.
//!
//! Record, with version and check (see `record.rs`): the message without its topic, which is the key (see
//! `publication.rs`).

mod gathered;

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};

use message::{Publication, TopicName};

use self::gathered::{Flush, Gathered, Need};
use super::committer::Committer;
use super::publication::{read_publication, write_publication};
use super::read::{ALL, ReadError, Scan};
use super::record::{RecordError, RecordReader, RecordWriter};
use super::written::WriteError;

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
        Self { committer, gathered: Arc::default() }
    }

    /// Keeps a message in place of its topic's last one. `replaces` says whether there is one: what was never on disk
    /// need not be cleared there.
    pub fn keep(&self, publication: Arc<Publication>, replaces: bool) -> RetainedPoint {
        let topic = publication.topic.clone();
        self.change(topic, Some(publication), replaces)
    }

    /// Removes a topic's message.
    pub fn clear(&self, topic: TopicName) -> RetainedPoint {
        self.change(topic, None, true)
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

    /// Hands every message to `take`, in the order of the topics.
    pub fn each(&self, mut take: impl FnMut(Publication)) -> Result<Scan, ReadError> {
        self.committer.shared.scan(
            "the retained messages",
            |snapshot| &snapshot.retained,
            ALL,
            |key, record| {
                take(decode(key, record)?);
                Ok(())
            },
        )
    }

    /// Topics whose change waits for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.gathered.waiting()
    }

    fn change(&self, topic: TopicName, publication: Option<Arc<Publication>>, replaces: bool) -> RetainedPoint {
        if let Some(error) = self.committer.shared.poisoned() {
            self.gathered.give_up(error);
        }
        let (point, need) = self.gathered.add(topic, publication, replaces);
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

pub(super) fn encode(publication: &Publication) -> Vec<u8> {
    let mut writer = RecordWriter::new();
    write_publication(&mut writer, publication);
    writer.finish(publication.topic.as_str().as_bytes())
}

pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Publication, RecordError> {
    let mut reader = RecordReader::open(key, record)?;
    let topic = std::str::from_utf8(key).ok().and_then(|topic| TopicName::parse(topic).ok());
    let publication = read_publication(&mut reader, topic.ok_or(RecordError::Content("a key that is no topic"))?)?;
    reader.end()?;
    Ok(publication)
}
