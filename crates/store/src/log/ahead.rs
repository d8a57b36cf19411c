//! A file of zeros that a busy log gets ready for its next segment. Syncing a file that has its bytes already writes these
//! bytes and nothing else; one that grows has the file system write down its new length and places too, every time.
//!
//! It costs writing everything twice, so only a log gets it that is held up by syncing: whenever a group is synced, the next
//! one waits, and groups are small. Zeros behind the last record are no damage: a segment is cut to its length when it is sealed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use message::limits;
use parking_lot::Mutex;

use super::segment::Segment;
use super::shared::{HasTail, Log};
use crate::disk::DiskFile;

/// No name of a segment.
const FILE_NAME: &str = "ahead.zeros";
static ZEROS: [u8; limits::LOG_AHEAD_STEP_BYTES] = [0; limits::LOG_AHEAD_STEP_BYTES];

/// What is ready for the next segment of a log, or on the way.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Bytes that were written while more waited already; half of them count no more whenever nothing waits.
    busy_bytes: u64,
    asked: bool,
    ready: Option<Arc<dyn DiskFile>>,
    /// What an earlier process left is gone.
    tidied: bool,
}

impl Ahead {
    /// Counts a group that was written and synced; whether a file is to be laid out now.
    pub(crate) fn note_group(&self, bytes: u64, more_waits: bool, segment_bytes: u64) -> bool {
        let mut state = self.0.lock();
        // Of a large group the bytes take the time: writing them twice would make it worse.
        let held_up = more_waits && bytes <= limits::LOG_AHEAD_STEP_BYTES as u64;
        state.busy_bytes = if held_up { state.busy_bytes + bytes } else { state.busy_bytes / 2 };
        if state.busy_bytes < segment_bytes / limits::LOG_BUSY_SHARE || state.asked || state.ready.is_some() {
            return false;
        }
        state.busy_bytes = 0;
        state.asked = true;
        true
    }
}

impl<S: HasTail> Log<S> {
    fn ahead_path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Removes what an earlier process had laid out.
    pub(crate) fn tidy_ahead(&self) {
        let mut state = self.ahead.0.lock();
        if !std::mem::replace(&mut state.tidied, true) {
            // Mostly it is not there. If it cannot be removed, it takes room and does no other harm.
            let _ = self.disk.remove(&self.ahead_path());
        }
    }

    /// Lays a file out for the next segment, unless there is little room. `goes_on` is asked, and may wait, after each step.
    pub(crate) fn lay_out_ahead(&self, goes_on: &dyn Fn() -> bool) {
        let bytes = self.lock().segment_bytes();
        let has_room = self.look_at_room() / limits::LOG_AHEAD_ROOM_SHARE >= bytes;
        let laid_out = if has_room && !self.marks.is_poisoned() { self.write_zeros(bytes, goes_on) } else { Ok(None) };
        // What fails here was promised to nobody: the log goes on in files that grow.
        let ready = laid_out.unwrap_or_default();
        let is_ready = ready.is_some();
        {
            let mut state = self.ahead.0.lock();
            state.asked = false;
            state.ready = ready;
        }
        if is_ready {
            self.lock().tail().set_ahead(bytes);
        } else {
            let _ = self.disk.remove(&self.ahead_path());
        }
    }

    fn write_zeros(&self, bytes: u64, goes_on: &dyn Fn() -> bool) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let file = self.disk.create(&self.ahead_path())?;
        let mut at = 0;
        while at < bytes {
            let step = ZEROS.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
            file.write_all_at(at, ZEROS.get(..step).unwrap_or_default())?;
            // Bit by bit, so that it holds up no group for long.
            file.sync_data()?;
            at += step as u64;
            if !goes_on() {
                return Ok(None);
            }
        }
        Ok(Some(file))
    }

    /// Gives what is ready the name of a segment.
    pub(crate) fn take_ahead(&self, segment: &Segment) -> Option<Arc<dyn DiskFile>> {
        let file = self.ahead.0.lock().ready.take()?;
        self.disk.rename(&self.ahead_path(), &segment.path(&self.folder)).ok()?;
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_log_that_its_disk_holds_up_asks_for_a_file_and_for_one_at_a_time() {
        let ahead = Ahead::default();
        let segment_bytes = 1000 * limits::LOG_BUSY_SHARE;
        let asks = |bytes, more_waits| ahead.note_group(bytes, more_waits, segment_bytes);
        for _ in 0..9 {
            assert!(!asks(600, true));
            assert!(!asks(9_000_000, false), "nothing waits");
            assert!(!asks(9_000_000, true), "a large group");
            assert!(!asks(0, false));
            assert!(!asks(0, false));
        }
        assert!(!asks(700, true));
        assert!(asks(900, true));
        for _ in 0..9 {
            assert!(!asks(900, true), "it is on the way");
        }
    }
}
