//! Looks at a table file without changing it.

use std::path::Path;

use super::overlay::Overlay;
use super::read::{ReadError, Scan};
use super::record::RecordReader;
use super::{Condition, OpenError, Tables};

impl Tables {
    /// Opens the table file as it is found: what has to be recovered is recovered in memory, and what is written is lost. The
    /// file must be there.
    pub fn look_at(path: &Path) -> Result<(Self, Condition), OpenError> {
        let file = path.display().to_string();
        let overlay = Overlay::open(path).map_err(|source| OpenError::Io { file: file.clone(), source })?;
        Self::open_backend(&file, overlay)
    }

    /// Reads every record of every table, and says what each table has.
    pub fn verify(&self) -> Result<Vec<(&'static str, Scan)>, ReadError> {
        let shared = &self.committer.shared;
        shared.read(
            || "its tables".to_owned(),
            |snapshot| {
                let mut found = Vec::new();
                for (name, table) in snapshot.all() {
                    let mut scan = Scan::default();
                    for entry in table.range::<&[u8]>(..)? {
                        let (key, record) = entry?;
                        match RecordReader::open_versioned(key.value(), record.value()) {
                            Ok(_) => scan.records += 1,
                            Err(_) => scan.damaged += 1,
                        }
                    }
                    found.push((name, scan));
                }
                Ok(found)
            },
        )
    }
}
