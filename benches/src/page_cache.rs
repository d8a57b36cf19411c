//! What the operating system holds of files in memory, and how it lets go of that.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Lets the operating system forget all files below a folder, so that they are read from the disk again. It keeps what
/// others have mapped.
pub(crate) fn forget_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_files(&path)?;
            continue;
        }
        let file = File::open(&path)?;
        // Only what is on the disk is let go of.
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
