//! SQLite as others know it: Debian's sqlite3, which shares nothing with the node but the file.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A database file.
pub(crate) struct Database(PathBuf);

impl Database {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// As a flow names it.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.0.display())
    }

    /// Runs SQL; gives the rows of a query.
    pub(crate) fn run(&self, sql: &str) -> Result<Vec<Value>, String> {
        let mut command = Command::new("sqlite3");
        // Whoever writes at the same time is waited for.
        command.args(["-json", "-cmd", ".timeout 10000"]).arg(&self.0).arg(sql);
        let output = command.output().expect("these tests need SQLite: install it with `apt-get install sqlite3`");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        // No rows are written as nothing at all.
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }
}
