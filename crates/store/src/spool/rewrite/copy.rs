//! The new file: the records that wait, in the order of their numbers, then a footer that says where they are now.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use message::{DestinationId, limits};

use super::choose::Source;
use super::survey::{Survey, span};
use crate::disk::DiskFile;
use crate::log::{Header, KIND_MARK, Log, Segment, Trailer, Window};
use crate::spool::destination::Extent;
use crate::spool::footer;
use crate::spool::state::State;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Copy {
    segment: Arc<Segment>,
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
    /// What comes next in the file, which has all before `at`.
    buffer: Vec<u8>,
    at: u64,
    records: u64,
    checksum: u32,
    /// The part that is being copied, and how many of its records were.
    part: usize,
    copied: usize,
    /// For each part, where its records are now.
    places: Vec<Vec<u32>>,
    newest_us: i64,
}

/// The new segment, on the disk under its name.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) segment: Arc<Segment>,
    pub(super) bytes: u64,
    pub(super) destinations: Vec<DestinationId>,
    pub(super) extents: BTreeMap<DestinationId, Extent>,
}

impl Copy {
    /// A file for what waits in these segments. Nothing is written yet.
    pub(super) fn new(log: &Log<State>, sources: &[Source]) -> Self {
        let first = sources.first().map(|source| &source.segment);
        let (kind, base, generation) =
            first.map_or((0, 0, 0), |segment| (segment.kind, segment.base, segment.generation + 1));
        let segment = Segment::new(kind, base, generation, 0);
        let path = log.folder.join(segment.unfinished_name());
        let buffer = segment.header().to_vec();
        Self {
            segment: Arc::new(segment),
            path,
            file: None,
            buffer,
            at: 0,
            records: 0,
            checksum: 0,
            part: 0,
            copied: 0,
            places: vec![Vec::new()],
            newest_us: 0,
        }
    }

    /// All that has to be kept is copied.
    pub(super) fn is_at_end(&self, survey: &Survey) -> bool {
        self.part >= survey.parts.len()
    }

    /// Copies some records and makes them durable: little at once, as others want the disk too.
    pub(super) fn copy_some(&mut self, log: &Log<State>, sources: &[Source], survey: &Survey) -> io::Result<()> {
        let (Some(source), Some(part)) = (sources.get(self.part), survey.parts.get(self.part)) else { return Ok(()) };
        let file = log.file(&source.segment)?;
        let mut window = Window::new(&*file, source.bytes, source.segment.seed);
        while let Some(place) = part.places.get(self.copied) {
            if self.buffer.len() >= limits::SPOOL_REWRITE_PIECE_BYTES {
                return self.flush(log);
            }
            let rest = part.places.get(self.copied..).unwrap_or_default();
            let record = window.record(u64::from(*place), || span(rest))?;
            let record = record.ok_or_else(|| io::Error::other("a record was damaged just now"))?;
            self.put(&record);
            self.copied += 1;
        }
        self.part += 1;
        self.copied = 0;
        self.places.push(Vec::new());
        Ok(())
    }

    fn put(&mut self, record: &[u8]) {
        let start = self.buffer.len();
        if let (Some(places), Ok(place)) = (self.places.last_mut(), u32::try_from(self.at + start as u64)) {
            places.push(place);
        }
        self.newest_us = Header::decode(record).map_or(self.newest_us, |header| header.timestamp_us);
        self.buffer.extend_from_slice(record);
        self.close(start);
    }

    /// Ends the record that begins at `start` of the buffer: its checksum begins with the number of its segment.
    fn close(&mut self, start: usize) {
        let crc = Header::finish(&mut self.buffer, start, self.segment.seed);
        self.records += 1;
        self.checksum = crc32c::crc32c_append(self.checksum, &crc.to_le_bytes());
    }

    fn flush(&mut self, log: &Log<State>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(log.disk.create(&self.path)?)),
        };
        file.write_all_at(self.at, &self.buffer)?;
        file.sync_data()?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the file and gives it its name.
    pub(super) fn finish(&mut self, log: &Log<State>, survey: &Survey) -> io::Result<Written> {
        // Numbers that were left out at the end are not missing.
        let start = Header::begin(&mut self.buffer, survey.next, self.newest_us, KIND_MARK);
        self.buffer.extend_from_slice(&survey.next.to_le_bytes());
        self.close(start);
        self.flush(log)?;
        let mut entries = self.entries(survey);
        let footer_at = self.at;
        let footer = footer::encode(&mut entries, footer_at);
        let trailer = Trailer { footer_at, records: self.records, next: survey.next, checksum: self.checksum };
        trailer.encode(&footer, &mut self.buffer);
        self.flush(log)?;
        let path = self.segment.path(&log.folder);
        log.disk.rename(&self.path, &path)?;
        self.path = path;
        log.disk.sync_folder(&log.folder)?;
        self.segment.set_on_disk(self.at);
        Ok(Written {
            segment: Arc::clone(&self.segment),
            bytes: self.at,
            destinations: survey.destinations.clone(),
            extents: entries.into_iter().map(|(id, extent, _)| (id, extent)).collect(),
        })
    }

    fn entries(&self, survey: &Survey) -> Vec<footer::Entry> {
        let mut entries: BTreeMap<DestinationId, (Extent, Vec<u32>)> = BTreeMap::new();
        for (part, places) in survey.parts.iter().zip(&self.places) {
            for (id, kept) in &part.kept {
                let live = u32::try_from(kept.messages.len()).unwrap_or(u32::MAX);
                let bytes = kept.extent.bytes.saturating_mul(u64::from(live)) / u64::from(kept.extent.live).max(1);
                let (entry, list) = entries.entry(*id).or_insert_with(|| {
                    let first = kept.extent.first + kept.messages.first().map_or(0, |(behind, _)| u64::from(*behind));
                    let extent =
                        Extent { segment: self.segment.base, first, count: 0, live: 0, bytes: 0, ..kept.extent };
                    (extent, Vec::new())
                });
                for (behind, place) in &kept.messages {
                    let index = kept.extent.first + u64::from(*behind) - entry.first;
                    list.resize(usize::try_from(index).unwrap_or(usize::MAX), 0);
                    let moved = part.places.binary_search(place).ok().and_then(|index| places.get(index));
                    list.push(moved.copied().unwrap_or_default());
                }
                entry.count = u32::try_from(list.len()).unwrap_or(u32::MAX);
                entry.live += live;
                entry.bytes += bytes;
                entry.newest_us = kept.extent.newest_us;
            }
        }
        entries.into_iter().map(|(id, (extent, list))| (id, extent, list)).collect()
    }

    /// Removes the file, as it is needed no more. One that stays is removed when the spool is opened.
    pub(super) fn remove(&self, log: &Log<State>) {
        if self.file.is_some() {
            let _ = log.disk.remove(&self.path);
        }
    }
}
