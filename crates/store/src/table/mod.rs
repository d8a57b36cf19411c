//! Small durable tables in one file: persistent key/value stores, flows with their versions, facts about the node.
//!
//! Reads see the last commit and never wait for a write. Writes are handed to the one committer, which puts what waits
//! into one commit; a [`Written`] is ready when its commit is on disk and seen by every later read.

mod committer;
mod flows;
mod key_value;
mod meta;
mod open;
mod read;
mod record;
mod room;
mod schema;
mod value;
mod written;

#[cfg(test)]
mod tests;

use committer::Committer;

use std::sync::Arc;

pub use flows::{FlowDraft, FlowFormat, FlowMarks, FlowTable, FlowVersion, VersionSummary};
pub use key_value::{KeyPage, KeyValueTable, StoreSummary};
pub use meta::MetaTable;
pub use open::{Condition, OpenError};
pub use read::ReadError;
pub use written::{WriteError, Written};

/// The table file, opened. Clones share it; the last one to go finishes the writes that wait and closes the file.
#[derive(Debug, Clone)]
pub struct Tables {
    committer: Arc<Committer>,
}

impl Tables {
    /// Persistent key/value stores.
    pub fn key_values(&self) -> KeyValueTable {
        KeyValueTable { committer: Arc::clone(&self.committer) }
    }

    /// Flows with their drafts, versions and marks.
    pub fn flows(&self) -> FlowTable {
        FlowTable { committer: Arc::clone(&self.committer) }
    }

    /// Facts about the node.
    pub fn meta(&self) -> MetaTable {
        MetaTable { committer: Arc::clone(&self.committer) }
    }

    /// Why no more writes are taken, once one has failed: for the node's health.
    pub fn failure(&self) -> Option<WriteError> {
        self.committer.shared.poisoned()
    }
}
