//! What the tests of spools and streams share.

use std::path::PathBuf;

use crate::disk::SimulatedDisk;

/// Places at which files are damaged, each time anew. `STORE_TEST_PLACES` asks for more than a quick run has time for.
pub(crate) fn places() -> u32 {
    std::env::var("STORE_TEST_PLACES").ok().and_then(|number| number.parse().ok()).unwrap_or(500)
}

/// The segments on a disk.
pub(crate) fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    disk.paths().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}
