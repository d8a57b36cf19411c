//! What the disk below a log has left, as it was last looked at. Each log looks for itself: a stream may lie on a disk of
//! its own.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::disk::Disk;

#[derive(Debug)]
pub(crate) struct FreeBytes {
    seen: AtomicU64,
    /// Someone who found too little room has looked at it since the committer did.
    looked_again: AtomicBool,
    /// The last group found no file to open: how much room the disk has says nothing then.
    fileless: AtomicBool,
}

impl FreeBytes {
    pub(crate) fn look_at(disk: &dyn Disk, folder: &Path) -> Self {
        let free = Self {
            seen: AtomicU64::new(u64::MAX),
            looked_again: AtomicBool::default(),
            fileless: AtomicBool::default(),
        };
        free.look(disk, folder);
        free
    }

    /// What the disk had left when it was last looked at.
    pub(crate) fn seen(&self) -> u64 {
        if self.is_fileless() { 0 } else { self.seen.load(Ordering::Relaxed) }
    }

    /// Looks at what the disk has left. A disk that does not say is taken to have enough: writing tells.
    pub(crate) fn look(&self, disk: &dyn Disk, folder: &Path) -> u64 {
        self.ask(disk, folder);
        self.seen()
    }

    /// The same for the committer, who tries again what found no file, too.
    pub(crate) fn look_for_group(&self, disk: &dyn Disk, folder: &Path) -> u64 {
        self.looked_again.store(false, Ordering::Relaxed);
        self.ask(disk, folder)
    }

    fn ask(&self, disk: &dyn Disk, folder: &Path) -> u64 {
        let bytes = disk.free_bytes(folder).unwrap_or(u64::MAX);
        self.seen.store(bytes, Ordering::Relaxed);
        bytes
    }

    /// The same before something is refused for what was seen before; once between two looks of the committer, whom every
    /// refusal asks for another one.
    pub(crate) fn look_again(&self, disk: &dyn Disk, folder: &Path) -> u64 {
        match self.looked_again.swap(true, Ordering::Relaxed) {
            true => self.seen(),
            false => self.look(disk, folder),
        }
    }

    /// A write has shown that there is no room, whatever the disk says.
    pub(crate) fn note_full(&self) {
        self.seen.store(0, Ordering::Relaxed);
    }

    /// A group found no file to open, or went: until then it is tried again, and all that would come behind it is refused.
    pub(crate) fn set_fileless(&self, fileless: bool) {
        self.fileless.store(fileless, Ordering::Relaxed);
    }

    /// Whether the last group found no file to open: nothing that is dropped makes room then.
    pub(crate) fn is_fileless(&self) -> bool {
        self.fileless.load(Ordering::Relaxed)
    }
}
