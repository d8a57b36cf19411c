//! Opening the table file: it is made when missing, recovered after a crash, repaired as far as possible when damaged.
//! It is never deleted: what cannot be repaired is set aside as it is, see `aside.rs`.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use message::limits;
use redb::{Builder, Database, DatabaseError, ReadableDatabase as _, StorageBackend, StorageError, TableError};

use super::Tables;
use super::committer::Committer;
use super::meta;
use super::read::ReadTable;
use super::record::{RecordError, RecordReader};
use super::room::Room;
use super::schema::{FORMAT, FORMAT_KEY, META, Snapshot, Transaction};

/// In what condition the file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There was none: an empty one was made.
    New,
    /// It was closed in order.
    Closed,
    /// The node had been killed or lost power. Everything acknowledged is there.
    Recovered,
    /// It was damaged, and went back to the last commit that is whole: writes acknowledged after that are lost.
    Repaired,
    /// It was damaged beyond repair and is set aside; the tables began anew.
    Begun { aside: PathBuf, what: String },
}

/// Why the table file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open `{file}`: {source}; check that the data folder exists, is writable and has space")]
    Io { file: String, source: std::io::Error },
    #[error("`{file}` is in use by another process: stop the other node, or give this one a data folder of its own")]
    InUse { file: String },
    #[error(
        "`{file}` is damaged and cannot be repaired ({what}); it was left in place: the next start of the node sets it aside, \
         or restore it from a backup before"
    )]
    Damaged { file: String, what: String },
    #[error(
        "`{file}` has format {found}, this program knows up to {FORMAT}: run the version of headwater that wrote it, or a later one"
    )]
    Newer { file: String, found: u64 },
}

impl Tables {
    /// Opens the table file at `path`, whose folder must exist. One that is damaged beyond repair is an error.
    pub fn open(path: &Path) -> Result<(Self, Condition), OpenError> {
        let file = path.display().to_string();
        let size = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(source) => return Err(OpenError::Io { file, source }),
        };
        let room = Room::in_folder(path.parent().unwrap_or(path));
        let opened = Self::open_sized(&file, size, room, |builder| builder.create(path))?;
        if size == 0 {
            // Nobody but the node's user: drafts and stores are in it.
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
                .map_err(|source| OpenError::Io { file: file.clone(), source })?;
            sync_folder(path).map_err(|source| OpenError::Io { file, source })?;
        }
        Ok(opened)
    }

    /// Opens tables on storage of the caller's own: for tests and simulations of a failing disk.
    pub fn open_backend(file: &str, backend: impl StorageBackend) -> Result<(Self, Condition), OpenError> {
        let size = backend.len().map_err(|source| OpenError::Io { file: file.to_owned(), source })?;
        Self::open_sized(file, size, Room::new(|| None), |builder| builder.create_with_backend(backend))
    }

    pub(super) fn open_sized(
        file: &str,
        size: u64,
        room: Room,
        open: impl FnOnce(&mut Builder) -> Result<Database, DatabaseError>,
    ) -> Result<(Self, Condition), OpenError> {
        // The library trusts the structure of what it reads, and panics where a rotten disk breaks it.
        let opened = catch_unwind(AssertUnwindSafe(|| open_checked(size, open)));
        let fault = match opened {
            Ok(Ok((database, snapshot, condition))) => {
                let committer = Committer::start(file.to_owned(), room, database, snapshot)
                    .map_err(|source| OpenError::Io { file: file.to_owned(), source })?;
                return Ok((Self::new(committer), condition));
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Damaged("its structure is broken".to_owned()),
        };
        Err(fault.told(file))
    }
}

/// A fault before it is told with the name of the file.
enum Fault {
    Io(std::io::Error),
    InUse,
    Newer(u64),
    Damaged(String),
}

impl Fault {
    fn told(self, file: &str) -> OpenError {
        let file = file.to_owned();
        match self {
            // So the library tells that the file does not begin as its files do.
            Self::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                OpenError::Damaged { file, what: "it does not begin like a table file".to_owned() }
            }
            Self::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                OpenError::Damaged { file, what: "it ends too early".to_owned() }
            }
            Self::Io(source) => OpenError::Io { file, source },
            Self::InUse => OpenError::InUse { file },
            Self::Newer(found) => OpenError::Newer { file, found },
            Self::Damaged(what) => OpenError::Damaged { file, what },
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::Io(error),
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::Corrupted(what) => Self::Damaged(what),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        Self::from(redb::Error::from(error))
    }
}

impl From<RecordError> for Fault {
    fn from(error: RecordError) -> Self {
        Self::Damaged(error.to_string())
    }
}

fn open_checked(
    size: u64,
    open: impl FnOnce(&mut Builder) -> Result<Database, DatabaseError>,
) -> Result<(Database, Snapshot, Condition), Fault> {
    let recovered = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&recovered);
    let mut builder = Builder::new();
    builder.set_cache_size(limits::TABLE_CACHE_BYTES);
    builder.set_repair_callback(move |_| told.store(true, Ordering::Relaxed));
    let mut database = open(&mut builder)?;
    let condition = if size == 0 {
        Condition::New
    } else if recovered.load(Ordering::Relaxed) {
        // Recovery has read and checked every page.
        Condition::Recovered
    } else if size <= limits::TABLE_CHECK_BYTES_MAX && !database.check_integrity()? {
        Condition::Repaired
    } else {
        Condition::Closed
    };
    let read = || database.begin_read().map_err(redb::Error::from);
    match read()?.open_table(META) {
        Ok(meta) => check_format(&meta)?,
        // The node may have been killed before the tables were made.
        Err(TableError::TableDoesNotExist(_)) if matches!(condition, Condition::New | Condition::Recovered) => {
            make_tables(&database)?;
        }
        Err(error) => return Err(redb::Error::from(error).into()),
    }
    let snapshot = match Snapshot::open(&read()?) {
        // The file is of a version that did not have all of the tables.
        Err(redb::Error::TableDoesNotExist(_)) => {
            make_tables(&database)?;
            Snapshot::open(&read()?)?
        }
        opened => opened?,
    };
    Ok((database, snapshot, condition))
}

/// Makes the tables that are missing, and says the format.
fn make_tables(database: &Database) -> Result<(), Fault> {
    let make = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        let mut tables = Transaction::open(&transaction)?;
        tables.meta.insert(FORMAT_KEY.as_bytes(), &*meta::encode(FORMAT_KEY, &FORMAT.to_le_bytes()))?;
        drop(tables);
        transaction.commit()?;
        Ok(())
    };
    Ok(make()?)
}

fn check_format(meta: &ReadTable) -> Result<(), Fault> {
    let stored = |error: StorageError| Fault::from(redb::Error::from(error));
    let Some(record) = meta.get(FORMAT_KEY.as_bytes()).map_err(stored)? else {
        return Err(Fault::Damaged("it does not say its format".to_owned()));
    };
    let mut reader = RecordReader::open(FORMAT_KEY.as_bytes(), record.value())?;
    let bytes = reader.bytes()?.try_into().map_err(|_| RecordError::Short)?;
    match u64::from_le_bytes(bytes) {
        found if found > FORMAT => Err(Fault::Newer(found)),
        _ => Ok(()),
    }
}

/// A new file is there after a power loss only when its folder has been synced.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
