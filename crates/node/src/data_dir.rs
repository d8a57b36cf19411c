//! The data directory: made on the first start, held by one node at a time, home of the admin token.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("cannot make the data directory {}: {source}; name one that this user may write with --data-dir or `data_dir`", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("another node holds the data directory {}; stop it, or give this node one of its own with --data-dir", path.display())]
    Held { path: PathBuf },
    #[error("cannot {act} {}: {source}; {}", path.display(), what_to_do(source))]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("{} holds no token; remove it, and the next start writes a new one", path.display())]
    NoToken { path: PathBuf },
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full: make room, then start again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make it writable for this user, or name another data directory with --data-dir"
        }
        _ => "look at the disk and at the rights of the data directory",
    }
}

/// A data directory that this process holds until it ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Locked; the kernel lets go of it however the process ends.
    _lock: File,
}

/// The file with the token of the API.
const TOKEN_FILE: &str = "admin-token";
/// The file with the addresses of the running node.
const ADDRESSES_FILE: &str = "node.json";

impl DataDir {
    /// Makes the directory if it is missing, and takes hold of it.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| DataDirError::Make { path: path.to_owned(), source })?;
        // Absolute, so that messages say which one and a change of folder does not matter.
        let path = path.canonicalize().map_err(|source| DataDirError::Make { path: path.to_owned(), source })?;
        let lock_path = path.join("lock");
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = open.map_err(|source| DataDirError::File { act: "open", path: lock_path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Held { path }),
            Err(TryLockError::Error(source)) => Err(DataDirError::File { act: "lock", path: lock_path, source }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The token of the API, and whether it was written just now.
    pub(crate) fn admin_token(&self) -> Result<(String, bool), DataDirError> {
        let path = self.path.join(TOKEN_FILE);
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().len() >= TOKEN_CHARACTERS_MIN => {
                self.keep_private(&path)?;
                Ok((text.trim().to_owned(), false))
            }
            Ok(_) => Err(DataDirError::NoToken { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = random_text().map_err(DataDirError::Random)?;
                self.write(TOKEN_FILE, &format!("{token}\n"))?;
                Ok((token, true))
            }
            Err(source) => Err(DataDirError::File { act: "read", path, source }),
        }
    }

    fn keep_private(&self, path: &Path) -> Result<(), DataDirError> {
        let set = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
        set.map_err(|source| DataDirError::File { act: "protect", path: path.to_owned(), source })
    }

    /// Says where the running node listens, for the command line. What a node said that was killed is gone in any case.
    pub(crate) fn write_addresses(&self, json: &str) -> Result<(), DataDirError> {
        self.remove_addresses();
        self.write(ADDRESSES_FILE, json)
    }

    /// The node listens no more.
    pub(crate) fn remove_addresses(&self) {
        // When it is gone already, that is as well.
        let _ = fs::remove_file(self.path.join(ADDRESSES_FILE));
    }

    /// Writes a file whole or not at all: a power cut leaves the old one or the new one.
    fn write(&self, name: &str, text: &str) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|source| DataDirError::File { act: "write", path, source })
    }
}

/// Shorter ones can be guessed.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// 32 random bytes as text.
pub(crate) fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The token that the node with this data directory takes, if this user may read it.
pub(crate) fn read_token(data_dir: &Path) -> Option<String> {
    fs::read_to_string(data_dir.join(TOKEN_FILE)).ok().map(|text| text.trim().to_owned())
}

/// Where the node with this data directory listens, if it runs.
pub(crate) fn read_addresses(data_dir: &Path) -> Option<String> {
    fs::read_to_string(data_dir.join(ADDRESSES_FILE)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_at_a_time_and_the_token_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let data_dir = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Held { .. })));
        let (token, new) = data_dir.admin_token().unwrap();
        assert!(new);
        assert_eq!(token.len(), 43);
        assert_eq!(fs::metadata(path.join(TOKEN_FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        drop(data_dir);
        let again = DataDir::open(&path).unwrap();
        assert_eq!(again.admin_token().unwrap(), (token.clone(), false));
        assert_eq!(read_token(&path), Some(token));
    }

    #[test]
    fn a_damaged_token_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        fs::write(folder.path().join(TOKEN_FILE), "short\n").unwrap();
        let message = data_dir.admin_token().unwrap_err().to_string();
        assert!(
            message.ends_with("admin-token holds no token; remove it, and the next start writes a new one"),
            "{message}"
        );
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let message = DataDir::open(&path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot make the data directory {}:", path.display())), "{message}");
    }
}
