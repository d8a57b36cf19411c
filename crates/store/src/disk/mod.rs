//! The disk as the logs see it: files that are read and written at a place, folders that are synced by themselves.
//! [`RealDisk`] is the operating system's, [`SimulatedDisk`] lives in memory and fails by a plan.

mod patient;
mod read_only;
mod real;
mod simulated;
mod unopened;

pub(crate) use patient::PatientDisk;
pub use read_only::ReadOnlyDisk;
pub use real::RealDisk;
pub use simulated::{Fault, SimulatedDisk};
pub(crate) use unopened::{is_unopened, unopened};

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Folders and files. What was changed survives a loss of power only once it was synced: the content of a file by
/// [`DiskFile::sync_data`], its name by [`Disk::sync_folder`].
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a folder and those above it; one that is there already is fine.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names of the files in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes a file; one that is there already is emptied.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there, to read and write it.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name; a file that had it is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes the name of a file; who has it open goes on reading it.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder as durable as its files.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Bytes that may still be written on the disk of this folder.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// One file, read and written at a place. Many may read it at once.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads as much as there is up to the end of `into`; zero at the end of the file.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes the beginning of `bytes`; how much of it is the answer.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Returns when what was written is on the disk.
    fn sync_data(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file, or fills it up with zeros.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Writes all of `bytes`.
    fn write_all_at(&self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self.write_at(at, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            at += written as u64;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads up to `length` bytes; fewer only at the end of the file.
    fn read_up_to(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(at + filled as u64, rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}
