//! The files of a log as they are found when it is opened, and what is wrong with them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use message::limits;

use super::end::{END_FILE, read_end_file};
use super::record::HEADER_BYTES;
use super::scan::{Found, Hole, Scanned, scan_file};
use super::segment::{FileHeader, SEGMENT_HEADER_BYTES, Segment, TRAILER_BYTES, Trailer};
use crate::disk::{Disk, DiskFile};

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the log in {folder} cannot be read: {error}; look at the disk and at who may read it")]
    Disk { folder: String, error: io::Error },
    #[error("{file} was written by a later version of the program, in format {format}: start that version")]
    Newer { file: String, format: u32 },
    #[error("{file} belongs to a log of another kind: move it out of the folder")]
    Foreign { file: String },
}

impl OpenError {
    /// An error of the disk that the log is on.
    pub(crate) fn disk(folder: &Path, error: io::Error) -> Self {
        Self::Disk { folder: folder.display().to_string(), error }
    }
}

/// A place that was safe once and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub file: String,
    pub at: u64,
    pub bytes: u64,
    /// Records that are missing, as far as that can be known.
    pub records: u64,
    pub what: &'static str,
}

/// What was found in the files of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRecovery {
    pub segments: usize,
    pub bytes: u64,
    /// Bytes at the end that were being written when the process or the power ended: nobody was promised them.
    pub cut_bytes: u64,
    /// Records that are missing between others at the end, as a loss of power leaves them: nobody was promised them, nor
    /// those behind them, which are cut.
    pub torn_records: u64,
    /// Places that were safe once and cannot be read.
    pub damage: Vec<Damage>,
    /// Damaged bytes that were copied aside just now.
    pub quarantined_bytes: u64,
}

/// The files of a folder.
#[derive(Debug)]
pub(crate) struct LogFiles {
    /// In the order of their bases.
    pub(crate) files: Vec<LogFile>,
    /// Files that were replaced, and not removed in time.
    pub(crate) leftovers: Vec<Arc<Segment>>,
    /// Records below this were synced once.
    pub(crate) promised: u64,
}

/// A file with what its ends say.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) length: u64,
    /// `None` for one that was not sealed, or whose end is damaged. Its footer, which may have a number for each message, is
    /// not kept: a log may have very many files.
    pub(crate) sealed: Option<Trailer>,
    pub(crate) header_is_damaged: bool,
}

/// A file without a footer, read record by record.
#[derive(Debug)]
pub(crate) struct OpenRead {
    pub(crate) scanned: Scanned,
    /// Bytes behind the last whole record.
    pub(crate) rest: u64,
    /// Something is missing that was safe once.
    pub(crate) damaged: bool,
    /// Records that are missing at the end and were safe once.
    pub(crate) lost_at_end: u64,
}

impl LogFiles {
    /// Opens the files of a log of this kind.
    pub(crate) fn load(
        disk: &dyn Disk,
        folder: &Path,
        kind: u32,
        recovery: &mut LogRecovery,
    ) -> Result<Self, OpenError> {
        let mut latest: BTreeMap<u64, u32> = BTreeMap::new();
        let mut leftovers = Vec::new();
        let names = disk.list(folder).map_err(|error| OpenError::disk(folder, error))?;
        for (base, generation) in names.iter().filter_map(|name| Segment::parse_name(name)) {
            if let Some(before) = latest.insert(base, generation) {
                latest.insert(base, generation.max(before));
                leftovers.push(Arc::new(Segment::new(kind, base, generation.min(before), 0)));
            }
        }
        let mut files = Vec::new();
        for (base, generation) in latest {
            let file = LogFile::load(disk, folder, Segment::new(kind, base, generation, 0))?;
            recovery.segments += 1;
            recovery.bytes += file.length;
            files.push(file);
        }
        // What a process left that was killed is seen, and perhaps not on the disk yet. From here on it is promised to others.
        // A sealed file was synced before another was begun.
        let open = files.iter().rev().take_while(|file| file.sealed.is_none()).count();
        for file in files.iter().rev().take(open + 1) {
            file.file.sync_data().map_err(|error| OpenError::disk(folder, error))?;
        }
        if !files.is_empty() {
            disk.sync_folder(folder).map_err(|error| OpenError::disk(folder, error))?;
        }
        let promised = read_end_file(disk, folder, kind).map_err(|error| OpenError::disk(folder, error))?;
        Ok(Self { files, leftovers, promised: promised.unwrap_or_default() })
    }

    /// Sets segments aside whose records are in the one before them, since both were made one.
    pub(crate) fn set_merged_aside(&mut self) {
        let mut next = 0;
        let merged = self.files.extract_if(.., |file| {
            let is_merged = file.segment.base < next;
            if let Some(trailer) = file.sealed.filter(|_| !is_merged) {
                next = trailer.next;
            }
            is_merged
        });
        self.leftovers.extend(merged.map(|file| file.segment));
    }

    /// Tells when all segments together, whose next number is `next`, have less than was promised: the last one is gone.
    /// The number to go on with is the answer.
    pub(crate) fn report_missing_end(&self, next: u64, recovery: &mut LogRecovery) -> u64 {
        if self.promised > next {
            let (file, records) = (END_FILE.to_owned(), self.promised - next);
            recovery.damage.push(Damage { file, at: 0, bytes: 0, records, what: "the last segment, which is missing" });
        }
        next.max(self.promised)
    }
}

impl LogFile {
    fn load(disk: &dyn Disk, folder: &Path, segment: Segment) -> Result<Self, OpenError> {
        let name = || segment.path(folder).display().to_string();
        let failed = |error| OpenError::disk(folder, error);
        let file = disk.open(&segment.path(folder)).map_err(failed)?;
        let mut length = file.length().map_err(failed)?;
        let header = file.read_up_to(0, SEGMENT_HEADER_BYTES).map_err(failed)?;
        let header_is_damaged = match FileHeader::decode(&header) {
            FileHeader::Known { kind } if kind == segment.kind => false,
            FileHeader::Known { .. } => return Err(OpenError::Foreign { file: name() }),
            FileHeader::Newer { format } => return Err(OpenError::Newer { file: name(), format }),
            FileHeader::Damaged => true,
        };
        let trailer_at = |length| Ok(read_end(&*file, length).map_err(failed)?.map(|(_, trailer)| trailer));
        let mut sealed = trailer_at(length)?;
        // One that was laid out is cut to its length when it is sealed: the end of the process may have come between.
        if sealed.is_none()
            && let Some(written) = end_before_zeros(&*file, length).map_err(failed)?
        {
            sealed = trailer_at(written)?;
            length = if sealed.is_some() { written } else { length };
        }
        segment.set_on_disk(length);
        Ok(Self { segment: Arc::new(segment), file, length, sealed, header_is_damaged })
    }

    /// The footer of a sealed file.
    pub(crate) fn footer(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(read_end(&*self.file, self.length)?.map(|(footer, _)| footer))
    }

    fn damage(&self, at: u64, bytes: u64, records: u64, what: &'static str) -> Damage {
        Damage { file: self.segment.file_name(), at, bytes, records, what }
    }

    fn report_header(&self, recovery: &mut LogRecovery) {
        if self.header_is_damaged {
            recovery.damage.push(self.damage(0, SEGMENT_HEADER_BYTES as u64, 0, "the header of a segment"));
        }
    }

    /// Looks at a sealed segment whose records are not read.
    pub(crate) fn pass_over(&self, recovery: &mut LogRecovery) {
        self.report_header(recovery);
    }

    /// Reads the records of a sealed segment; whether all are there that were when it was sealed.
    pub(crate) fn read_sealed(
        &self,
        trailer: Trailer,
        recovery: &mut LogRecovery,
        visit: impl FnMut(Found<'_>),
    ) -> io::Result<bool> {
        self.report_header(recovery);
        let scanned = self.scan(trailer.footer_at, visit)?;
        if (scanned.records, scanned.checksum) == (trailer.records, trailer.checksum) {
            // What is missing was missing when it was sealed, and was told then.
            return Ok(true);
        }
        for hole in &scanned.holes {
            recovery.damage.push(self.damage(hole.at as u64, hole.bytes as u64, hole.records(), "records"));
        }
        if (scanned.end as u64) < trailer.footer_at {
            let records = trailer.next.saturating_sub(scanned.next);
            let bytes = trailer.footer_at - scanned.end as u64;
            recovery.damage.push(self.damage(scanned.end as u64, bytes, records, "records"));
        }
        Ok(false)
    }

    /// Reads a segment without a footer. `after` is the base of the next segment: then this one was sealed once. Records below
    /// `promised` were synced once.
    pub(crate) fn read_open(
        &self,
        after: Option<u64>,
        promised: u64,
        recovery: &mut LogRecovery,
        visit: impl FnMut(Found<'_>),
    ) -> io::Result<OpenRead> {
        let (length, synced) = match after {
            None => self.promised_part(promised, recovery)?,
            Some(_) => (self.length, u64::MAX),
        };
        let scanned = self.scan(length, visit)?;
        // Nobody was promised anything of a file of which nothing was synced.
        if synced > self.segment.base {
            self.report_header(recovery);
        }
        let mut damaged = after.is_some();
        for hole in &scanned.holes {
            let lost = hole.records().min(synced.saturating_sub(hole.first));
            if lost > 0 {
                damaged = true;
                recovery.damage.push(self.damage(hole.at as u64, hole.bytes as u64, lost, "records"));
            }
        }
        // Zeros at the end are no bytes of anyone: the file was laid out before it was written.
        let written = end_before_zeros(&*self.file, self.length)?.unwrap_or(self.length);
        let rest = written.saturating_sub(scanned.end as u64);
        let lost_at_end = if after.is_some() { 0 } else { synced.saturating_sub(scanned.next) };
        match after {
            None if lost_at_end > 0 => {
                damaged = true;
                recovery.damage.push(self.damage(scanned.end as u64, rest, lost_at_end, "the end of the log"));
            }
            Some(base) => {
                let records = base.saturating_sub(scanned.next);
                recovery.damage.push(self.damage(scanned.end as u64, rest, records, "the footer of a segment"));
            }
            // A footer that was being written when the power went looks no different.
            None => recovery.cut_bytes += rest,
        }
        Ok(OpenRead { scanned, rest, damaged, lost_at_end })
    }

    /// How much of the last file counts, and below which number its records were synced. A loss of power leaves holes in what
    /// was not: all behind the first of these is cut off too. Nobody was promised it, its publishers send it again, and what
    /// stayed of it would come before what they had published earlier.
    fn promised_part(&self, promised: u64, recovery: &mut LogRecovery) -> io::Result<(u64, u64)> {
        let scanned = self.scan(self.length, |_| {})?;
        let synced = scanned.synced.max(promised);
        // A hole may have held nothing but a mark, which has no number of its own.
        let is_torn = |hole: &&Hole| hole.next > synced || hole.first >= synced;
        let Some(torn) = scanned.holes.iter().find(is_torn) else { return Ok((self.length, synced)) };
        recovery.torn_records += torn.records().saturating_sub(synced.saturating_sub(torn.first));
        Ok((torn.at as u64, synced))
    }

    /// Reads what is whole in the first `length` bytes.
    fn scan(&self, length: u64, visit: impl FnMut(Found<'_>)) -> io::Result<Scanned> {
        let start = SEGMENT_HEADER_BYTES.min(usize::try_from(self.length).unwrap_or(usize::MAX));
        scan_file(&*self.file, (start, length), self.segment.base, self.segment.seed, visit)
    }

    /// Whether the first record is a whole one of this kind.
    pub(crate) fn begins_with(&self, kind: u8) -> io::Result<bool> {
        use super::record::Header;
        let at = SEGMENT_HEADER_BYTES as u64;
        let Some(header) = Header::decode(&self.file.read_up_to(at, HEADER_BYTES)?) else { return Ok(false) };
        if header.kind != kind || !header.is_plausible() || u64::from(header.length) > self.length {
            return Ok(false);
        }
        Ok(Header::check(&self.file.read_up_to(at, header.length as usize)?, self.segment.seed).is_some())
    }
}

/// Where the zeros begin that a file of this length ends with, if it does.
fn end_before_zeros(file: &dyn DiskFile, length: u64) -> io::Result<Option<u64>> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(limits::LOG_READ_BYTES_MAX as u64);
        let bytes = file.read_up_to(start, usize::try_from(end - start).unwrap_or(usize::MAX))?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            end = start + last as u64 + 1;
            break;
        }
        end = start;
    }
    Ok((end < length).then_some(end))
}

/// Footer and trailer at the end of a file.
pub(crate) fn read_end(file: &dyn DiskFile, length: u64) -> io::Result<Option<(Vec<u8>, Trailer)>> {
    let trailer_at = length.saturating_sub(TRAILER_BYTES as u64);
    let Some(footer_at) = Trailer::footer_start(&file.read_up_to(trailer_at, TRAILER_BYTES)?, length) else {
        return Ok(None);
    };
    let end = file.read_up_to(footer_at, usize::try_from(length - footer_at).unwrap_or(usize::MAX))?;
    let decoded = Trailer::decode(&end).filter(|(_, trailer)| trailer.footer_at == footer_at);
    Ok(decoded.map(|(footer, trailer)| (footer.to_vec(), trailer)))
}
