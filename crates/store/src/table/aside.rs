//! A table file that is damaged beyond repair is set aside, so that the node starts: it is moved into `quarantine/` beside it,
//! under its name and the time, and never written again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use message::{Timestamp, limits};

use super::open::sync_folder;
use super::{Condition, OpenError, Tables};

/// The folder, beside the file.
const QUARANTINE_FOLDER: &str = "quarantine";

impl Tables {
    /// Opens the table file at `path`, whose folder must exist, whatever is there. One that is damaged beyond repair is set
    /// aside under the time `now`.
    pub fn open_always(path: &Path, now: Timestamp) -> Result<(Self, Condition), OpenError> {
        let what = match Self::open(path) {
            Err(OpenError::Damaged { what, .. }) => what,
            opened => return opened,
        };
        let failed = |source| OpenError::Io { file: path.display().to_string(), source };
        let aside = set_aside(path, now).map_err(failed)?;
        let (tables, _) = Self::open(path)?;
        Ok((Self { has_begun_anew: true, ..tables }, Condition::Begun { aside, what }))
    }
}

/// Moves a file aside; where to is the answer.
fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(".")).join(QUARANTINE_FOLDER);
    fs::create_dir_all(&folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // No colons, which some file systems refuse.
    let stem = format!("{name}.{}", now.to_string().replace(':', "-"));
    for count in 0..limits::TABLE_SET_ASIDE_NAMES_MAX {
        let aside = folder.join(if count == 0 { stem.clone() } else { format!("{stem}.{count}") });
        if aside.try_exists()? {
            continue;
        }
        fs::rename(path, &aside)?;
        // The folder itself, what is in it, and the place where the file was.
        sync_folder(&aside)?;
        sync_folder(path)?;
        return Ok(aside);
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!("there are too many files `{stem}` in {}", folder.display()),
    ))
}
