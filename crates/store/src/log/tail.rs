//! The end of a log, as far as it is in memory: the segment that is being filled, and what the committer has not yet
//! written. Everything here happens under the log's one lock and touches no file.

use std::sync::Arc;

use message::{Timestamp, limits};

use super::marks::CommitPoint;
use super::record::Header;
use super::segment::{SEGMENT_HEADER_BYTES, Segment, Trailer};
use crate::Durability;

/// A record that says how far the log was synced when it was written: what is damaged below that was safe once, what is
/// missing above it was never promised. It bears the number that the next record will have.
pub(crate) const KIND_MARK: u8 = 0;

/// Bytes for one place of one file. A record never lies in two chunks.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) segment: Arc<Segment>,
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    /// The file is made with it.
    pub(crate) creates: bool,
    /// What the file has from `at` on goes first.
    pub(crate) cuts: bool,
    /// It is the last of its segment. What stands before it is synced first, so that a trailer never vouches for what is
    /// not there; then it is synced itself, before a later segment is begun.
    pub(crate) seals: bool,
}

/// What the committer does at once.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// Records below this are in it or before it.
    pub(crate) next: u64,
    pub(crate) sync: bool,
    /// Files that nobody needs once the rest is synced.
    pub(crate) removals: Vec<Arc<Segment>>,
    /// Files that were to be removed since the log was opened, up to the last of these.
    pub(crate) removals_asked: u64,
}

#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    at: u64,
    records: u64,
    checksum: u32,
}

/// A record that was begun.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    /// Where it begins in the buffer.
    pub(crate) start: usize,
    /// Where it begins in the file.
    pub(crate) place: u32,
    pub(crate) buffer: &'a mut Vec<u8>,
}

/// The end of a log in memory.
#[derive(Debug)]
pub(crate) struct Tail {
    kind: u32,
    active: Option<Active>,
    queue: Vec<Arc<Chunk>>,
    writing: Vec<Arc<Chunk>>,
    next: u64,
    waiting_bytes: usize,
    sync: bool,
    removals: Vec<Arc<Segment>>,
    /// Files that were to be removed since the log was opened.
    removals_asked: u64,
    /// The committer knows that something waits.
    pub(crate) announced: bool,
    /// How far the log was synced when the committer last took what waits, until it is written down.
    mark: Option<u64>,
    /// Emptied buffers, so that their memory need not be asked for again.
    spares: Vec<Vec<u8>>,
    /// Bytes of the file that is laid out for the next segment.
    ahead: Option<u64>,
}

impl Tail {
    /// The end of a log that goes on with the number `next`. No segment is begun yet.
    pub(crate) fn new(kind: u32, next: u64) -> Self {
        Self {
            kind,
            active: None,
            queue: Vec::new(),
            writing: Vec::new(),
            next,
            waiting_bytes: 0,
            sync: false,
            removals: Vec::new(),
            removals_asked: 0,
            announced: false,
            mark: None,
            spares: Vec::new(),
            ahead: None,
        }
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Leaves numbers out, between two segments: those below `next` are given to no record any more.
    pub(crate) fn leave_out(&mut self, next: u64) {
        if self.active.is_none() {
            self.next = self.next.max(next);
        }
    }

    /// Bytes that wait for the committer or are just being written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The segment that is being filled and the bytes in it.
    pub(crate) fn active(&self) -> Option<(&Arc<Segment>, u64)> {
        self.active.as_ref().map(|active| (&active.segment, active.at + active.buffer.len() as u64))
    }

    /// Begins a new segment.
    pub(crate) fn begin_segment(&mut self) -> Arc<Segment> {
        self.begin_generation(0)
    }

    /// Begins a new segment where earlier generations of it may be, none of which has a record.
    pub(crate) fn begin_generation(&mut self, generation: u32) -> Arc<Segment> {
        let segment = Arc::new(Segment::new(self.kind, self.next, generation, 0));
        segment.set_laid_out(self.ahead.take().unwrap_or_default());
        let mut buffer = self.spares.pop().unwrap_or_default();
        buffer.extend_from_slice(&segment.header());
        self.waiting_bytes += buffer.len();
        self.active = Some(Active { segment: Arc::clone(&segment), buffer, at: 0, records: 0, checksum: 0 });
        segment
    }

    /// Makes a sealed file without records, which has the next number in its name. The bytes of it are the answer too.
    pub(crate) fn put_empty(&mut self, footer: &[u8]) -> (Arc<Segment>, u64) {
        let segment = Arc::new(Segment::new(self.kind, self.next, 0, 0));
        let mut bytes = segment.header().to_vec();
        let trailer = Trailer { footer_at: SEGMENT_HEADER_BYTES as u64, records: 0, next: self.next, checksum: 0 };
        let mut end = Vec::new();
        trailer.encode(footer, &mut end);
        bytes.append(&mut end);
        let length = bytes.len() as u64;
        let made = Arc::clone(&segment);
        self.put_chunk(Chunk { segment, at: 0, bytes, creates: true, cuts: false, seals: true });
        (made, length)
    }

    /// A file of so many bytes is laid out for the next segment.
    pub(crate) fn set_ahead(&mut self, bytes: u64) {
        self.ahead = Some(bytes);
    }

    /// A file is laid out for the next segment, while that of the segment that is being filled grows as it is written.
    pub(crate) fn has_better_file(&self) -> bool {
        self.ahead.is_some() && self.active().is_some_and(|(segment, bytes)| bytes >= segment.laid_out())
    }

    /// Where the footer of the segment that is being filled would begin.
    pub(crate) fn footer_at(&self) -> u64 {
        self.active().map_or(0, |(_, bytes)| bytes)
    }

    /// Ends the segment that is being filled; the bytes of its file are the answer.
    pub(crate) fn seal_segment(&mut self, footer: &[u8]) -> u64 {
        let footer_at = self.footer_at();
        let next = self.next;
        let Some(active) = self.active.take() else { return 0 };
        let Active { segment, buffer, at, records, checksum } = active;
        if !buffer.is_empty() {
            let segment = Arc::clone(&segment);
            self.enqueue(Chunk { segment, at, bytes: buffer, creates: at == 0, cuts: false, seals: false });
        }
        let mut bytes = Vec::new();
        Trailer { footer_at, records, next, checksum }.encode(footer, &mut bytes);
        let end = footer_at + bytes.len() as u64;
        self.put_chunk(Chunk { segment, at: footer_at, bytes, creates: false, cuts: false, seals: true });
        end
    }

    /// Lets the committer write a chunk that is not part of the segment that is being filled.
    pub(crate) fn put_chunk(&mut self, chunk: Chunk) {
        self.waiting_bytes += chunk.bytes.len();
        self.sync = true;
        self.enqueue(chunk);
    }

    fn enqueue(&mut self, chunk: Chunk) {
        self.queue.push(Arc::new(chunk));
    }

    /// Lets the committer write what stands in the buffer; the next record goes into another one.
    fn hand_over(&mut self) {
        let Some(active) = self.active.as_mut().filter(|active| !active.buffer.is_empty()) else { return };
        let bytes = std::mem::replace(&mut active.buffer, self.spares.pop().unwrap_or_default());
        let at = active.at;
        active.at += bytes.len() as u64;
        let segment = Arc::clone(&active.segment);
        self.enqueue(Chunk { segment, at, bytes, creates: at == 0, cuts: false, seals: false });
    }

    /// Begins a record. The caller appends its body to the buffer and then calls [`Self::finish`] or [`Self::abandon`].
    pub(crate) fn begin(&mut self, now: Timestamp, kind: u8) -> Option<Begun<'_>> {
        // The first record of a segment is its owner's.
        let has_records = self.active.as_ref().is_some_and(|active| active.records > 0);
        if has_records && let Some(synced) = self.mark.take() {
            self.put_mark(now, synced);
        }
        // A buffer that grew on would be copied again and again, and be too large to be kept.
        if self.active.as_ref().is_some_and(|active| active.buffer.len() >= limits::LOG_BUFFER_BYTES) {
            self.hand_over();
        }
        let next = self.next;
        let active = self.active.as_mut()?;
        let start = Header::begin(&mut active.buffer, next, now.as_micros(), kind);
        // Segments end long before 4 GiB.
        let place = u32::try_from(active.at + start as u64).unwrap_or(u32::MAX);
        Some(Begun { start, place, buffer: &mut active.buffer })
    }

    /// Ends the record that begins at `start` of the buffer. It is safe when the point that is the answer is reached.
    pub(crate) fn finish(&mut self, start: usize, durability: Durability) -> CommitPoint {
        self.sync |= durability == Durability::Fsync;
        self.close(start);
        self.next += 1;
        CommitPoint::at(self.next, durability)
    }

    /// Forgets the record that begins at `start` of the buffer.
    pub(crate) fn abandon(&mut self, start: usize) {
        if let Some(active) = &mut self.active {
            active.buffer.truncate(start);
        }
    }

    fn close(&mut self, start: usize) {
        let Some(active) = &mut self.active else { return };
        let crc = Header::finish(&mut active.buffer, start, active.segment.seed);
        active.records += 1;
        active.checksum = crc32c::crc32c_append(active.checksum, &crc.to_le_bytes());
        self.waiting_bytes += active.buffer.len() - start;
    }

    fn put_mark(&mut self, now: Timestamp, synced: u64) {
        let next = self.next;
        let Some(active) = &mut self.active else { return };
        let start = Header::begin(&mut active.buffer, next, now.as_micros(), KIND_MARK);
        active.buffer.extend_from_slice(&synced.to_le_bytes());
        self.close(start);
    }

    /// Lets a file go when all that was appended so far is synced.
    pub(crate) fn remove(&mut self, segment: Arc<Segment>) {
        self.sync = true;
        self.removals.push(segment);
        self.removals_asked += 1;
    }

    /// Files that were to be removed so far.
    pub(crate) fn removals_asked(&self) -> u64 {
        self.removals_asked
    }

    /// Whether there is something to write or remove.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
            || !self.removals.is_empty()
            || self.sync
            || self.active.as_ref().is_some_and(|active| !active.buffer.is_empty())
    }

    /// What was appended so far is to be synced, whatever asked for it before.
    pub(crate) fn want_sync(&mut self) {
        self.sync = true;
    }

    /// Takes all that waits. `synced` is how far the log is synced now.
    pub(crate) fn take(&mut self, synced: u64) -> Batch {
        self.announced = false;
        self.hand_over();
        let is_of_active = |chunk: &Arc<Chunk>| {
            self.active.as_ref().is_some_and(|active| Arc::ptr_eq(&active.segment, &chunk.segment))
        };
        if self.queue.last().is_some_and(is_of_active) {
            self.mark = Some(synced);
        }
        self.writing.append(&mut self.queue);
        Batch {
            chunks: self.writing.clone(),
            next: self.next,
            sync: std::mem::take(&mut self.sync),
            removals: std::mem::take(&mut self.removals),
            removals_asked: self.removals_asked,
        }
    }

    /// What was taken is on the disk.
    pub(crate) fn written(&mut self, batch: Batch) {
        let Batch { chunks, .. } = batch;
        drop(chunks);
        for chunk in std::mem::take(&mut self.writing) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(chunk.bytes.len());
            if let Ok(mut chunk) = Arc::try_unwrap(chunk)
                && chunk.bytes.capacity() <= limits::LOG_BUFFER_KEPT_BYTES_MAX
                && self.spares.len() < limits::LOG_BUFFERS_KEPT_MAX
            {
                chunk.bytes.clear();
                self.spares.push(chunk.bytes);
            }
        }
        if self.waiting_bytes == 0 {
            self.spares.truncate(1);
        }
    }

    /// What was taken could not be written for now: it is taken again, with what came in meanwhile.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        self.sync |= batch.sync;
        self.removals.splice(0..0, batch.removals);
        let mut queue = std::mem::take(&mut self.writing);
        queue.append(&mut self.queue);
        self.queue = queue;
    }

    /// The bytes of a segment from `at` on as far as they are together in memory; `None` when the file has them.
    pub(crate) fn in_memory(&self, segment: &Segment, at: u64) -> Option<&[u8]> {
        if at < segment.on_disk() {
            return None;
        }
        let is_same = |other: &Segment| other.base == segment.base && other.generation == segment.generation;
        let active = self.active.iter().map(|active| (&active.segment, active.at, &active.buffer));
        let chunks = self.writing.iter().chain(&self.queue).map(|chunk| (&chunk.segment, chunk.at, &chunk.bytes));
        active.chain(chunks).filter(|(other, ..)| is_same(other)).find_map(|(_, from, bytes)| {
            let skipped = usize::try_from(at.checked_sub(from)?).ok()?;
            bytes.get(skipped..).filter(|bytes| !bytes.is_empty())
        })
    }
}
