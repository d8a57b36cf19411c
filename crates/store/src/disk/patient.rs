//! A disk on which a sector that cannot be read does not take the rest of its file with it. A read that fails so is tried
//! again page by page; a page that cannot be read after some tries is a hole, in whose place there are bytes that are no
//! part of any record. So it is found by checksums like any other damage, and passed over, counted and told like it.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use message::limits;
use parking_lot::{Condvar, Mutex};
use rustix::io::Errno;

use super::{Disk, DiskFile};

/// What devices read and file systems keep at once.
const PAGE_BYTES: u64 = 4096;
/// Stands for what cannot be read: no length of a record, and no zero as at the end of a file that was laid out.
const HOLE: u8 = 0xff;

/// Another disk, read with patience.
#[derive(Debug)]
pub(crate) struct PatientDisk(Arc<dyn Disk>);

impl PatientDisk {
    pub(crate) fn around(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        Arc::new(Self(disk))
    }
}

/// Whether the device, or the file system over it, has this part of a file no more.
fn is_hole(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::IO | Errno::NODATA | Errno::BADMSG | Errno::ILSEQ))
}

impl Disk for PatientDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.create_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(PatientFile::new(self.0.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(PatientFile::new(self.0.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.sync_folder(folder)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.0.free_bytes(folder)
    }
}

#[derive(Debug)]
struct PatientFile {
    file: Arc<dyn DiskFile>,
    /// Pages that could not be read: they are not tried again as long as the file is open, unless they are written.
    holes: Mutex<BTreeSet<u64>>,
}

impl PatientFile {
    fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, holes: Mutex::default() }
    }

    fn knows_hole(&self, at: u64, bytes: usize) -> bool {
        let end = at.saturating_add(bytes as u64).div_ceil(PAGE_BYTES);
        self.holes.lock().range(at / PAGE_BYTES..end.max(at / PAGE_BYTES)).next().is_some()
    }

    /// What was written can be read again, perhaps.
    fn forget_holes(&self, at: u64, end: u64) {
        self.holes.lock().retain(|page| *page < at / PAGE_BYTES || *page >= end.div_ceil(PAGE_BYTES));
    }

    fn read_by_pages(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.length()?;
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let from = at + filled as u64;
            let page_end = (from / PAGE_BYTES + 1) * PAGE_BYTES;
            let bytes = page_end.min(length).saturating_sub(from).min(rest.len() as u64);
            let Some(piece) = usize::try_from(bytes).ok().and_then(|bytes| rest.get_mut(..bytes)) else { break };
            let read = self.read_page(from, piece, length)?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        Ok(filled)
    }

    /// Reads a piece of one page, or fills it when that cannot be read.
    fn read_page(&self, at: u64, piece: &mut [u8], length: u64) -> io::Result<usize> {
        if piece.is_empty() {
            return Ok(0);
        }
        if !self.knows_hole(at, piece.len()) {
            match self.try_page(at, piece) {
                Err(error) if is_hole(&error) && self.is_alive_beside(at / PAGE_BYTES, length) => {
                    self.holes.lock().insert(at / PAGE_BYTES);
                }
                read => return read,
            }
        }
        piece.fill(HOLE);
        Ok(piece.len())
    }

    fn try_page(&self, at: u64, piece: &mut [u8]) -> io::Result<usize> {
        // A file with much that cannot be read is no passing trouble.
        let patient = self.holes.lock().len() < limits::LOG_PATIENT_PAGES_MAX;
        for _ in 1..if patient { limits::LOG_READ_TRIES } else { 1 } {
            match self.file.read_at(at, piece) {
                Err(error) if is_hole(&error) => wait(),
                read => return read,
            }
        }
        self.file.read_at(at, piece)
    }

    /// Whether another page of the file can be read: if not, the disk is gone, and nothing can be said of what is on it.
    fn is_alive_beside(&self, page: u64, length: u64) -> bool {
        let last = length.saturating_sub(1) / PAGE_BYTES;
        let mut byte = [0];
        let mut others =
            [page.wrapping_sub(1), page + 1, 0, last].into_iter().filter(|other| *other != page && *other <= last);
        last == 0 || others.any(|other| self.file.read_at(other * PAGE_BYTES, &mut byte).is_ok())
    }
}

/// Leaves a device a moment.
fn wait() {
    let lock = Mutex::new(());
    let _ = Condvar::new().wait_for(&mut lock.lock(), limits::LOG_READ_AGAIN);
}

impl DiskFile for PatientFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        if self.knows_hole(at, into.len()) {
            return self.read_by_pages(at, into);
        }
        match self.file.read_at(at, into) {
            Err(error) if is_hole(&error) => self.read_by_pages(at, into),
            read => read,
        }
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(at, bytes)?;
        self.forget_holes(at, at + written as u64);
        Ok(written)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)?;
        self.forget_holes(length, u64::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    fn file(bytes: &[u8]) -> (SimulatedDisk, Arc<dyn DiskFile>) {
        let disk = SimulatedDisk::new(1);
        let file = PatientDisk::around(Arc::new(disk.clone())).create(Path::new("log/file")).unwrap();
        file.write_all_at(0, bytes).unwrap();
        (disk, file)
    }

    #[test]
    fn pages_that_cannot_be_read_are_holes_and_all_else_is_read() {
        let bytes: Vec<u8> = (0..20_000u32).map(|at| (at % 251) as u8).collect();
        for (from, to) in [(4096, 4097), (0, 1), (8000, 9000), (19_999, 20_000), (5000, 16_000)] {
            let (disk, file) = file(&bytes);
            disk.fail_reads_within(Path::new("log/file"), from..to);
            let mut expected = bytes.clone();
            let hole = (from / 4096 * 4096) as usize..(to.div_ceil(4096) * 4096).min(20_000) as usize;
            expected[hole].fill(HOLE);
            for (at, length) in [(0, 20_000), (0, 30_000), (3, 9_000), (4095, 2), (4096, 4096), (19_000, 1_000)] {
                let end = (at + length).min(bytes.len());
                assert_eq!(file.read_up_to(at as u64, length).unwrap(), &expected[at..end], "{from}..{to} at {at}");
            }
        }
    }

    #[test]
    fn an_error_that_passes_loses_nothing() {
        let bytes = vec![7; 9_000];
        let (disk, file) = file(&bytes);
        disk.fail_reads_within_for(Path::new("log/file"), 5_000..5_001, 3);
        assert_eq!(file.read_up_to(0, 9_000).unwrap(), bytes);
    }

    #[test]
    fn what_is_written_over_a_hole_can_be_read() {
        let (disk, file) = file(&[7; 9_000]);
        disk.fail_reads_within(Path::new("log/file"), 5_000..5_001);
        assert_eq!(file.read_up_to(5_000, 1).unwrap(), [HOLE]);
        disk.heal();
        assert_eq!(file.read_up_to(5_000, 1).unwrap(), [HOLE], "a hole costs its tries once");
        file.write_all_at(5_000, &[8]).unwrap();
        assert_eq!(file.read_up_to(4_999, 3).unwrap(), [7, 8, 7]);
    }

    #[test]
    fn a_file_of_which_nothing_can_be_read_has_no_holes_but_an_error() {
        let (disk, file) = file(&[7; 9_000]);
        disk.fail_reads_within(Path::new("log/file"), 0..9_000);
        assert_eq!(file.read_up_to(0, 9_000).unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    }
}
