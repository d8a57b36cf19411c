//! Numbers for sessions, queues and streams that are never given twice. They are taken from a block whose end is on
//! disk before the first of it is given; what a crash leaves of a block is skipped. Tables that are new, or older than the
//! logs beside them, go on far beyond every number that the logs know.
//!
//! In `meta` under `destinations`: the first number that no block holds (8 bytes little endian).

use std::sync::Arc;

use message::{DestinationId, limits};
use parking_lot::Mutex;

use super::committer::{ApplyError, Committer};
use super::meta;
use super::record::{RecordError, RecordReader};
use super::schema::Transaction;
use super::written::{WriteError, Written};

/// Gives destinations their ids.
#[derive(Debug)]
pub struct DestinationIds {
    committer: Arc<Committer>,
    block: Mutex<Block>,
}

#[derive(Debug)]
struct Block {
    next: u64,
    end: u64,
    /// The largest number that is known to have been given elsewhere.
    known: u64,
    /// The block after this one, on its way to the disk.
    following: Option<Written<u64>>,
}

const NEXT: &str = "destinations";
/// Where numbers go on when the record of the last one is damaged, or the tables are older than the logs: so far beyond all
/// that are in use that none of those that were ever given is given again.
const LEAP: u64 = 1 << 32;

impl DestinationIds {
    pub(super) fn new(committer: Arc<Committer>) -> Self {
        Self { committer, block: Mutex::new(Block { next: 0, end: 0, known: 0, following: None }) }
    }

    /// Says that numbers up to this one are in use, so that none of them is given. To be called before the first is.
    pub fn go_beyond(&self, known: DestinationId) {
        let mut block = self.block.lock();
        block.known = block.known.max(known.get());
        // What was reserved meanwhile is skipped.
        (block.next, block.end, block.following) = (0, 0, None);
    }

    /// Sees to it that numbers are at hand soon.
    pub(super) fn prepare(&self) {
        let mut block = self.block.lock();
        if block.next == block.end && block.following.is_none() {
            block.following = Some(reserve(&self.committer, block.known));
        }
    }

    /// An id that was never given before. It waits for the disk only when ids are asked for faster than it writes, and
    /// right after the start.
    pub fn give(&self) -> Result<DestinationId, WriteError> {
        let mut block = self.block.lock();
        if block.next == block.end {
            let following = block.following.take().unwrap_or_else(|| reserve(&self.committer, block.known));
            block.next = following.wait()?;
            block.end = block.next.saturating_add(limits::DESTINATION_IDS_RESERVED);
        }
        let id = DestinationId::new(block.next);
        block.next += 1;
        let left = block.end - block.next;
        if left < limits::DESTINATION_IDS_RESERVED / 2 && block.following.is_none() {
            block.following = Some(reserve(&self.committer, block.known));
        }
        Ok(id)
    }
}

/// Reserves a block and gives its first number.
fn reserve(committer: &Committer, known: u64) -> Written<u64> {
    committer.shared.write(0, move |transaction| {
        let first = match transaction.next_destination()? {
            Some(Ok(next)) if next > known => next,
            // The block that a number is given from is on disk before: these tables are not those that gave it.
            written => match transaction.last_destination()?.max(known) {
                0 if written.is_none() => 1,
                highest => highest.saturating_add(LEAP),
            },
        };
        let end = first.saturating_add(limits::DESTINATION_IDS_RESERVED);
        transaction.meta.insert(NEXT.as_bytes(), &*meta::encode(NEXT, &end.to_le_bytes()))?;
        Ok(first)
    })
}

impl Transaction<'_> {
    fn next_destination(&self) -> Result<Option<Result<u64, RecordError>>, ApplyError> {
        let Some(record) = redb::ReadableTable::get(&self.meta, NEXT.as_bytes())? else { return Ok(None) };
        let read = || {
            let mut reader = RecordReader::open(NEXT.as_bytes(), record.value())?;
            let bytes = reader.bytes()?.try_into().map_err(|_| RecordError::Short)?;
            Ok(u64::from_le_bytes(bytes))
        };
        Ok(Some(read()))
    }

    /// The largest number that a table holds. The records of all three begin with it.
    fn last_destination(&self) -> Result<u64, ApplyError> {
        let mut last = 0;
        for table in [&self.sessions, &self.queues, &self.streams] {
            for entry in redb::ReadableTable::range::<&[u8]>(table, ..)? {
                let (key, record) = entry?;
                let number = RecordReader::open(key.value(), record.value()).and_then(|mut reader| reader.varint());
                last = last.max(number.unwrap_or(0));
            }
        }
        Ok(last)
    }
}
