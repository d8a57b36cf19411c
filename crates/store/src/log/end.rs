//! How far a log was synced, written down beside it, so that a file that lost its end is told from one of which no more had
//! been written. It is written after each sync and not synced itself, but for when a segment ends: a process that is
//! killed leaves it exact, a loss of power as it was some seconds before. What it says is true whenever it was written.
//!
//! Two slots, written in turn, as one may be torn: `next u64 | crc u32 | 4 unused`, little-endian; records below `next` were
//! synced. The checksum begins with the kind of the log.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::bytes_in::Decoder;
use crate::disk::{Disk, DiskFile};

/// Its name, in the folder of the log.
pub(crate) const END_FILE: &str = "synced";
const SLOT_BYTES: usize = 16;

/// The file, opened with the first sync.
#[derive(Debug, Default)]
pub(crate) struct EndFile(Mutex<Option<(Arc<dyn DiskFile>, u64)>>);

fn checksum(kind: u32, next: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&kind.to_le_bytes()), &next.to_le_bytes())
}

/// What the file of a log says; `None` when it is not there or damaged.
pub(crate) fn read_end_file(disk: &dyn Disk, folder: &Path, kind: u32) -> io::Result<Option<u64>> {
    let file = match disk.open(&folder.join(END_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = file.read_up_to(0, 2 * SLOT_BYTES)?;
    let slots = bytes.chunks(SLOT_BYTES).filter_map(|slot| {
        let mut decoder = Decoder::new(slot, 0);
        let next = decoder.number_u64()?;
        (decoder.number_u32()? == checksum(kind, next)).then_some(next)
    });
    Ok(slots.max())
}

impl EndFile {
    /// Writes down that all records below `next` are synced. If that fails, less is known after the next failure, and
    /// nothing else.
    pub(crate) fn note(&self, disk: &dyn Disk, folder: &Path, kind: u32, next: u64, durable: bool) -> io::Result<()> {
        let mut file = self.0.lock();
        let (file, writes) = match &mut *file {
            Some(open) => open,
            None => {
                let path = folder.join(END_FILE);
                let open = match disk.open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path)?,
                    other => other?,
                };
                file.insert((open, 0))
            }
        };
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&next.to_le_bytes());
        slot[8..12].copy_from_slice(&checksum(kind, next).to_le_bytes());
        file.write_all_at(*writes % 2 * SLOT_BYTES as u64, &slot)?;
        *writes += 1;
        if durable { file.sync_data() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    #[test]
    fn what_is_noted_is_read_and_one_damaged_slot_costs_one_note() {
        let disk = SimulatedDisk::new(1);
        let folder = Path::new("/log");
        let read = |disk: &SimulatedDisk, kind| read_end_file(disk, folder, kind).unwrap();
        assert_eq!(read(&disk, 1), None);
        let end = EndFile::default();
        for next in [5, 7, 9] {
            end.note(&disk, folder, 1, next, false).unwrap();
            assert_eq!(read(&disk, 1), Some(next));
        }
        assert_eq!(read(&disk, 2), None, "another log");
        for bit in 0..12 * 8 {
            let damaged = disk.copy();
            damaged.damage(&folder.join(END_FILE), |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
            assert_eq!(read(&damaged, 1), Some(7), "bit {bit}");
        }
        EndFile::default().note(&disk, folder, 1, 12, false).unwrap();
        assert_eq!(read(&disk, 1), Some(12));
    }
}
