//! Room on the disk, looked at before every group of writes. A write that the disk cuts short leaves a file whose state is
//! unknown; one that is not begun leaves it as it was, and the next may be done once there is room again.

use std::fmt;
use std::path::Path;

use message::limits;

/// Knows how many bytes the disk has left.
pub(super) struct Room(Box<dyn Fn() -> Option<u64> + Send + Sync>);

impl Room {
    /// What is left on the disk of this folder.
    pub(super) fn in_folder(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self::new(move || {
            let disk = rustix::fs::statvfs(&folder).ok()?;
            Some(disk.f_bavail.saturating_mul(disk.f_frsize))
        })
    }

    /// `left` gives the bytes that are left; `None` when nobody knows.
    pub(super) fn new(left: impl Fn() -> Option<u64> + Send + Sync + 'static) -> Self {
        Self(Box::new(left))
    }

    /// What is left when it is too little for a group of writes of about `bytes`.
    pub(super) fn lacking(&self, bytes: usize) -> Option<u64> {
        // What is written moves with the pages around it, and the old ones stay until the commit is done.
        let needed = (bytes as u64).saturating_mul(2).saturating_add(limits::TABLE_DISK_RESERVE_BYTES);
        (self.0)().filter(|left| *left < needed)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_written_only_with_room_to_spare() {
        let reserve = limits::TABLE_DISK_RESERVE_BYTES;
        for (left, bytes, lacking) in [
            (Some(reserve), 0, false),
            (Some(reserve - 1), 0, true),
            (Some(reserve + 1999), 1000, true),
            (Some(reserve + 2000), 1000, false),
            (Some(u64::MAX), usize::MAX, false),
            (None, usize::MAX, false),
        ] {
            let found = Room::new(move || left).lacking(bytes);
            assert_eq!(found, left.filter(|_| lacking), "{left:?} left for {bytes}");
        }
    }

    #[test]
    fn a_folder_has_room_and_a_missing_one_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Room::in_folder(folder.path()).lacking(0), None);
        assert_eq!(Room::in_folder(&folder.path().join("missing")).lacking(usize::MAX), None);
    }
}
