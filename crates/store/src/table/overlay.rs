//! A table file that is only read: what the library writes to it, as it does to recover, stays in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use parking_lot::Mutex;
use redb::StorageBackend;

const BLOCK_BYTES: u64 = 4096;

#[derive(Debug)]
pub(super) struct Overlay {
    file: File,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    /// Bytes of the file that still count: what was cut off once and added again is zero.
    file_bytes: u64,
    blocks: HashMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, written: Mutex::new(Written { length, file_bytes: length, blocks: HashMap::new() }) })
    }

    /// A block as it is in the file.
    fn block(&self, number: u64, file_bytes: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK_BYTES as usize];
        let at = number * BLOCK_BYTES;
        let there = file_bytes.saturating_sub(at).min(BLOCK_BYTES) as usize;
        if let Some(bytes) = block.get_mut(..there) {
            self.file.read_exact_at(bytes, at)?;
        }
        Ok(block)
    }

    /// Hands the pieces of `offset..offset + length` to `each`: the number of its block, where it begins there, how long it is.
    fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
        let end = offset + length as u64;
        let blocks = offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES);
        blocks.map(move |number| {
            let from = offset.max(number * BLOCK_BYTES);
            let to = end.min((number + 1) * BLOCK_BYTES);
            (number, (from - number * BLOCK_BYTES) as usize, (to - from) as usize)
        })
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written.lock();
        if offset.saturating_add(out.len() as u64) > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (number, start, length) in Self::pieces(offset, rest.len()) {
            let (piece, behind) = rest.split_at_mut(length);
            match written.blocks.get(&number) {
                Some(block) => piece.copy_from_slice(block.get(start..start + length).unwrap_or_default()),
                None => {
                    let block = self.block(number, written.file_bytes)?;
                    piece.copy_from_slice(block.get(start..start + length).unwrap_or_default());
                }
            }
            rest = behind;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written.lock();
        written.length = length;
        written.file_bytes = written.file_bytes.min(length);
        written.blocks.retain(|number, _| number * BLOCK_BYTES < length);
        if let Some(block) = written.blocks.get_mut(&(length / BLOCK_BYTES)) {
            block.iter_mut().skip((length % BLOCK_BYTES) as usize).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written.lock();
        let mut rest = data;
        for (number, start, length) in Self::pieces(offset, data.len()) {
            let (piece, behind) = rest.split_at(length);
            let mut block = match written.blocks.remove(&number) {
                Some(block) => block,
                None => self.block(number, written.file_bytes)?,
            };
            if let Some(place) = block.get_mut(start..start + length) {
                place.copy_from_slice(piece);
            }
            written.blocks.insert(number, block);
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_reads_what_a_file_would_and_leaves_the_file_alone(
            length in 0usize..20_000,
            changes in prop::collection::vec((0u64..20_000, 0usize..9000, any::<bool>()), 0..12),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let before: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            std::fs::write(&path, &before).unwrap();
            let overlay = Overlay::open(&path).unwrap();
            let mut model = before.clone();
            for (at, count, is_cut) in changes {
                if is_cut {
                    model.resize(at as usize, 0);
                    overlay.set_len(at).unwrap();
                } else if at as usize + count <= model.len() {
                    model[at as usize..at as usize + count].fill(at as u8 | 1);
                    overlay.write(at, &vec![at as u8 | 1; count]).unwrap();
                }
                prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
                let mut read = vec![0; model.len()];
                overlay.read(0, &mut read).unwrap();
                prop_assert_eq!(&read, &model);
            }
            prop_assert!(overlay.read(model.len() as u64, &mut [0]).is_err());
            prop_assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }
}
