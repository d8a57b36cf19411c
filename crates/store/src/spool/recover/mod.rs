//! Finds the state of a spool in its files. Nothing is written: what has to be repaired is handed to the committer.
//!
//! The last segment that begins with a whole snapshot says what was acknowledged before it; it and those after it are read
//! record by record. Of the segments before it only the footers are read.

mod replay;
mod segments;

use std::io;
use std::path::Path;
use std::sync::Arc;

use self::replay::Replay;
use self::segments::{Files, LoadError};
use message::DestinationId;

use super::Spool;
use super::options::SpoolOptions;
use super::state::State;
use crate::disk::Disk;
use crate::log::{Committer, Log, Tail};

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the spool in {folder} cannot be read: {error}; look at the disk and at who may read it")]
    Disk { folder: String, error: io::Error },
    #[error("{file} was written by a later version of the program, in format {format}: start that version")]
    Newer { file: String, format: u32 },
    #[error("{file} is no file of a spool: move it out of the folder")]
    Foreign { file: String },
}

/// What was found when a spool was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    pub segments: usize,
    pub bytes: u64,
    /// Bytes at the end that were being written when the process or the power ended: nobody was promised them.
    pub cut_bytes: u64,
    /// Records that are missing between others at the end, as a loss of power leaves them: nobody was promised them.
    pub torn_records: u64,
    /// Places that were safe once and cannot be read.
    pub damage: Vec<Damage>,
    /// Messages that are lost by damage, counted once for each destination. More may be found when they are read.
    pub lost_messages: u64,
    /// All destinations that the spool knows.
    pub destinations: Vec<DestinationId>,
}

/// A place that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub file: String,
    pub at: u64,
    pub bytes: u64,
    /// Records that are missing, as far as that can be known.
    pub records: u64,
    pub what: &'static str,
}

impl Spool {
    /// Opens the spool in a folder, or begins one. It opens with whatever is there: what is damaged is left out and told.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: SpoolOptions,
        committer: &Committer,
    ) -> Result<(Self, Recovery), OpenError> {
        let failed = |error| OpenError::Disk { folder: folder.display().to_string(), error };
        disk.create_folder(folder).map_err(failed)?;
        let mut recovery = Recovery::default();
        let files = Files::list(&*disk, folder).map_err(failed)?;
        let mut replay = Replay::new(options);
        files.replay(&*disk, folder, &mut replay, &mut recovery).map_err(|error| match error {
            LoadError::Disk(error) => failed(error),
            LoadError::Open(error) => error,
        })?;
        let state = replay.finish(files.leftovers, &mut recovery);
        recovery.destinations = state.destinations.keys().copied().collect();
        recovery.destinations.sort_unstable();
        let log = Arc::new(Log::new(disk, folder, Arc::clone(&committer.queue), state));
        log.unlock(log.lock());
        Ok((Self { log }, recovery))
    }
}

/// The state of a spool that goes on with this number.
fn empty(options: SpoolOptions, next: u64) -> State {
    State::new(options, Tail::new(super::state::LOG_KIND, next))
}
