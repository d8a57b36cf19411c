//! Reads records of a file a good part at a time.

use std::io;

use message::Bytes;

use super::record::Header;
use crate::disk::DiskFile;

/// The part of a file that was read last. Records share its bytes.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    /// Where the records end.
    end: u64,
    seed: u32,
    start: u64,
    bytes: Bytes,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, end: u64, seed: u32) -> Self {
        Self { file, end, seed, start: 0, bytes: Bytes::new() }
    }

    /// The record at a place; `None` when it is damaged. If it has to be read, so many bytes are read with it.
    pub(crate) fn record(&mut self, place: u64, ask_bytes: impl FnOnce() -> usize) -> io::Result<Option<Bytes>> {
        if let Some(record) = self.within(place) {
            return Ok(Some(record));
        }
        let most = self.end.saturating_sub(place);
        self.load(place, ask_bytes().min(usize::try_from(most).unwrap_or(usize::MAX)))?;
        if let Some(record) = self.within(place) {
            return Ok(Some(record));
        }
        let header = Header::decode(&self.bytes).filter(Header::is_plausible);
        let length = header.map_or(0, |header| header.length as usize);
        if length <= self.bytes.len() || length as u64 > most {
            return Ok(None);
        }
        self.load(place, length)?;
        Ok(self.within(place))
    }

    fn load(&mut self, start: u64, length: usize) -> io::Result<()> {
        self.bytes = Bytes::from(self.file.read_up_to(start, length)?);
        self.start = start;
        Ok(())
    }

    fn within(&self, place: u64) -> Option<Bytes> {
        let at = usize::try_from(place.checked_sub(self.start)?).ok()?;
        let (header, _) = Header::check(self.bytes.get(at..)?, self.seed)?;
        Some(self.bytes.slice(at..at + header.length as usize))
    }
}
