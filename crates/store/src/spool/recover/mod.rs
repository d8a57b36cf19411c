//! Finds the state of a spool in its files. Nothing is written: what has to be repaired is handed to the committer.
//!
//! The last segment that begins with a whole snapshot says what was acknowledged before it; it and those after it are read
//! record by record. Of the segments before it only the footers are read.

mod replay;
mod segments;

use std::path::Path;
use std::sync::Arc;

use message::DestinationId;

pub(super) use self::replay::Index;
use self::replay::Replay;
use super::Spool;
use super::options::SpoolOptions;
use super::state::{LOG_KIND, State};
use crate::disk::{Disk, PatientDisk};
use crate::log::{Committer, Damage, Log, LogFiles, LogRecovery, OpenError, Tail, set_aside};

/// What was found when a spool was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    pub segments: usize,
    pub bytes: u64,
    /// Bytes at the end that were being written when the process or the power ended: nobody was promised them.
    pub cut_bytes: u64,
    /// Records that are missing between others at the end, as a loss of power leaves them: nobody was promised them, nor
    /// those behind them, which are cut.
    pub torn_records: u64,
    /// Places that were safe once and cannot be read.
    pub damage: Vec<Damage>,
    /// Damaged bytes that were copied aside just now, into `quarantine/` in the folder.
    pub quarantined_bytes: u64,
    /// Messages that are lost by damage, counted once for each destination. More may be found when they are read.
    pub lost_messages: u64,
    /// All destinations that the spool knows.
    pub destinations: Vec<DestinationId>,
    /// The largest number of a destination that is in its files, there still or removed.
    pub highest_destination: Option<DestinationId>,
}

impl Spool {
    /// Opens the spool in a folder, or begins one. It opens with whatever is there: what is damaged is left out and told.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: SpoolOptions,
        committer: &Committer,
    ) -> Result<(Self, Recovery), OpenError> {
        let disk = PatientDisk::around(disk);
        let failed = |error| OpenError::disk(folder, error);
        disk.create_folder(folder).map_err(failed)?;
        let mut found = LogRecovery::default();
        segments::remove_unfinished(&*disk, folder).map_err(failed)?;
        let mut files = LogFiles::load(&*disk, folder, LOG_KIND, &mut found)?;
        files.set_merged_aside();
        let mut replay = Replay::new(options);
        segments::replay_files(&files, &mut replay, &mut found).map_err(failed)?;
        set_aside(&*disk, folder, &mut found);
        let (mut state, lost_messages, highest_destination) = replay.finish(files.leftovers);
        state.damaged = (found.damage.len() as u64, lost_messages);
        state.quarantined_bytes = found.quarantined_bytes;
        let mut destinations: Vec<DestinationId> = state.destinations.keys().copied().collect();
        destinations.sort_unstable();
        let LogRecovery { segments, bytes, cut_bytes, torn_records, damage, quarantined_bytes } = found;
        let recovery = Recovery {
            segments,
            bytes,
            cut_bytes,
            torn_records,
            damage,
            quarantined_bytes,
            lost_messages,
            destinations,
            highest_destination,
        };
        let log = Arc::new(Log::new(disk, folder, Arc::clone(&committer.queue), state));
        log.unlock(log.lock());
        Ok((Self { log, wide: Arc::default() }, recovery))
    }
}

/// The state of a spool that goes on with this number.
fn empty(options: SpoolOptions, next: u64) -> State {
    State::new(options, Tail::new(LOG_KIND, next))
}
