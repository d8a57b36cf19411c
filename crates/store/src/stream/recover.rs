//! Finds a stream in its files. Only what is not sealed is read record by record. Nothing is written: what has to be
//! repaired is handed to the committer.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use super::footer::Contents;
use super::state::{LOG_KIND, Sealed, State, publication_at};
use super::{Inner, Stream, StreamOptions};
use crate::disk::{Disk, PatientDisk};
use crate::log::{
    Chunk, Committer, HEADER_BYTES, Header, Log, LogFile, LogFiles, LogRecovery, OpenError, OpenRead,
    RECORD_BYTES_LEAST, SEGMENT_HEADER_BYTES, Tail, Trailer, set_aside,
};

impl Stream {
    /// Opens the stream in a folder, or begins one. It opens with whatever is there: what is damaged is left out and told.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: StreamOptions,
        committer: &Committer,
    ) -> Result<(Self, LogRecovery), OpenError> {
        let disk = PatientDisk::around(disk);
        let failed = |error| OpenError::disk(folder, error);
        disk.create_folder(folder).map_err(failed)?;
        let mut recovery = LogRecovery::default();
        let found = LogFiles::load(&*disk, folder, LOG_KIND, &mut recovery)?;
        let mut segments = BTreeMap::new();
        let mut chunks = Vec::new();
        let (mut next, mut lost) = (0, 0);
        for (index, file) in found.files.iter().enumerate() {
            let after = found.files.get(index + 1).map(|next| next.segment.base);
            // First of all: a segment that has its footer is expected to have its header.
            if file.header_is_damaged {
                let (segment, bytes) = (Arc::clone(&file.segment), file.segment.header().to_vec());
                chunks.push(Chunk { segment, at: 0, bytes, creates: false, cuts: false, seals: true });
            }
            let sealed = match sealed(file, &mut recovery).map_err(failed)? {
                Some(sealed) => sealed,
                None => {
                    let Open { sealed, chunk, given, lost: at_end } =
                        open(file, (after, found.promised), &mut recovery).map_err(failed)?;
                    next = next.max(given);
                    lost += at_end;
                    chunks.push(chunk);
                    sealed
                }
            };
            next = next.max(sealed.next);
            segments.insert(file.segment.base, sealed);
        }
        let before = next;
        next = found.report_missing_end(next, &mut recovery);
        lost += next - before;
        set_aside(&*disk, folder, &mut recovery);
        let mut tail = Tail::new(LOG_KIND, next);
        chunks.into_iter().for_each(|chunk| tail.put_chunk(chunk));
        found.leftovers.into_iter().for_each(|segment| tail.remove(segment));
        let mut state = State { options, tail, segments, filling: Contents::default(), trimmed: 0 };
        // Offsets that are left out are left out by the next process too.
        if state.segments.values().next_back().map_or(next > 0, |last| last.next < next) {
            state.keep_place();
        }
        let log = Arc::new(Log::new(disk, folder, Arc::clone(&committer.queue), state));
        log.unlock(log.lock());
        let inner = Inner { log, resume: Mutex::new(VecDeque::new()), damaged: AtomicU64::new(lost) };
        Ok((Self { inner: Arc::new(inner) }, recovery))
    }
}

/// A segment that has its footer.
fn sealed(file: &LogFile, recovery: &mut LogRecovery) -> std::io::Result<Option<Sealed>> {
    let Some(trailer) = file.sealed else { return Ok(None) };
    let Some(contents) = file.footer()?.and_then(|footer| Contents::decode(&footer)) else { return Ok(None) };
    file.pass_over(recovery);
    Ok(Some(Sealed {
        segment: Arc::clone(&file.segment),
        bytes: file.length,
        footer_at: trailer.footer_at,
        next: trailer.next,
        messages: contents.messages,
        newest_us: contents.newest_us,
        contents: None,
    }))
}

/// A segment without a footer.
struct Open {
    sealed: Sealed,
    /// The footer that it gets.
    chunk: Chunk,
    /// Offsets below may have been given, to what is cut as well.
    given: u64,
    /// Messages that were safe once and are missing behind the last one. Those between others are counted by who reads there.
    lost: u64,
}

fn open(file: &LogFile, (after, promised): (Option<u64>, u64), recovery: &mut LogRecovery) -> std::io::Result<Open> {
    let mut contents = Contents::default();
    let read = file.read_open(after, promised, recovery, |found| {
        if publication_at(found.header.kind).is_some() {
            let place = u32::try_from(found.at).unwrap_or(u32::MAX);
            contents.add(found.header.seq, place, found.header.timestamp_us);
        }
    })?;
    let footer_at = read.scanned.end.max(SEGMENT_HEADER_BYTES) as u64;
    let (records, checksum) = (read.scanned.records, read.scanned.checksum);
    let next = after.unwrap_or(read.scanned.next.saturating_add(read.lost_at_end));
    let mut bytes = Vec::new();
    Trailer { footer_at, records, next, checksum }.encode(&contents.encode(), &mut bytes);
    file.segment.cut_to(footer_at);
    let sealed = Sealed {
        segment: Arc::clone(&file.segment),
        bytes: footer_at + bytes.len() as u64,
        footer_at,
        next,
        messages: contents.messages,
        newest_us: contents.newest_us,
        contents: Some(contents),
    };
    let segment = Arc::clone(&file.segment);
    let given = if after.is_some() { 0 } else { given_below(file, &read)? };
    let lost = next.saturating_sub(read.scanned.next.max(file.segment.base));
    let chunk = Chunk { segment, at: footer_at, bytes, creates: false, cuts: true, seals: true };
    Ok(Open { sealed, chunk, given, lost })
}

/// Below which offset all lie that may have been given to messages of which the end of this file has, or had, a part.
fn given_below(file: &LogFile, read: &OpenRead) -> std::io::Result<u64> {
    let scanned = &read.scanned;
    if read.rest == 0 {
        // A file is made for a message: there was one, if it has none.
        return Ok(scanned.next.max(file.segment.base + u64::from(scanned.records == 0)));
    }
    // Mostly that is one message that was being written.
    let header = Header::decode(&file.file.read_up_to(scanned.end as u64, HEADER_BYTES)?);
    let is_one = header.is_some_and(|header| {
        header.is_plausible() && header.seq == scanned.next && u64::from(header.length) >= read.rest
    });
    Ok(scanned.next + if is_one { 1 } else { read.rest.div_ceil(RECORD_BYTES_LEAST) })
}
