//! Small durable tables in one file: persistent key/value stores, flows with their versions, retained messages, which
//! sessions, queues and streams there are, facts about the node.
//!
//! Reads see the last commit and never wait for a write. Writes are handed to the one committer, which puts what waits
//! into one commit; a [`Written`] is ready when its commit is on disk and seen by every later read.

mod aside;
mod committer;
mod consumers;
mod destinations;
mod figures;
mod flows;
mod key_value;
mod label;
mod meta;
mod open;
mod overlay;
mod publication;
mod queues;
mod read;
mod record;
mod removals;
mod retained;
mod room;
mod schema;
mod sessions;
mod settings;
mod streams;
mod subscriptions;
mod value;
mod verify;
mod written;

#[cfg(test)]
mod tests;

use committer::Committer;

use std::sync::Arc;
use std::task::{Poll, Waker};

pub use consumers::{ConsumerTable, StoredConsumer};
pub use destinations::DestinationIds;
pub use figures::TableFigures;
pub use flows::{FlowDraft, FlowFormat, FlowMarks, FlowTable, FlowVersion, VersionSummary};
pub use key_value::{KeyPage, KeyValueTable, StoreSummary};
pub use label::Label;
pub use meta::MetaTable;
pub use open::{Condition, OpenError};
pub use queues::{QueueOptions, QueueTable, StoredQueue};
pub use read::{ReadError, Scan};
pub use removals::RemovalTable;
pub use retained::{RetainedPoint, RetainedTable};
pub use sessions::{SessionTable, StoredSession, StoredWill};
pub use streams::{StoredStream, StreamOptions, StreamTable};
pub use subscriptions::{StoredRetainHandling, StoredSubscription, SubscriptionTable};
pub use written::{WriteError, Written};

/// The table file, opened. Clones share it; the last one to go finishes the writes that wait and closes the file.
#[derive(Debug, Clone)]
pub struct Tables {
    committer: Arc<Committer>,
    destinations: Arc<DestinationIds>,
    retained: RetainedTable,
    /// The file that was there was damaged beyond repair.
    has_begun_anew: bool,
}

impl Tables {
    fn new(committer: Committer) -> Self {
        let committer = Arc::new(committer);
        let destinations = Arc::new(DestinationIds::new(Arc::clone(&committer)));
        let retained = RetainedTable::new(Arc::clone(&committer));
        Self { retained, destinations, committer, has_begun_anew: false }
    }

    /// Persistent key/value stores.
    pub fn key_values(&self) -> KeyValueTable {
        KeyValueTable { committer: Arc::clone(&self.committer) }
    }

    /// Flows with their drafts, versions and marks.
    pub fn flows(&self) -> FlowTable {
        FlowTable { committer: Arc::clone(&self.committer) }
    }

    /// Durable sessions.
    pub fn sessions(&self) -> SessionTable {
        SessionTable { committer: Arc::clone(&self.committer) }
    }

    /// Subscriptions of durable sessions.
    pub fn subscriptions(&self) -> SubscriptionTable {
        SubscriptionTable { committer: Arc::clone(&self.committer) }
    }

    /// Retained messages.
    pub fn retained(&self) -> RetainedTable {
        self.retained.clone()
    }

    /// Queues.
    pub fn queues(&self) -> QueueTable {
        QueueTable { committer: Arc::clone(&self.committer) }
    }

    /// Streams.
    pub fn streams(&self) -> StreamTable {
        StreamTable { committer: Arc::clone(&self.committer) }
    }

    /// Consumers of streams.
    pub fn consumers(&self) -> ConsumerTable {
        ConsumerTable { committer: Arc::clone(&self.committer) }
    }

    /// Marks of what was removed.
    pub fn removals(&self) -> RemovalTable {
        RemovalTable { committer: Arc::clone(&self.committer) }
    }

    /// Ids for new sessions, queues and streams.
    pub fn destinations(&self) -> Arc<DestinationIds> {
        self.destinations.prepare();
        Arc::clone(&self.destinations)
    }

    /// Facts about the node.
    pub fn meta(&self) -> MetaTable {
        MetaTable { committer: Arc::clone(&self.committer) }
    }

    /// Ready when all that was handed over so far is on disk, but for retained messages, which wait by themselves.
    pub fn settled(&self) -> Written<()> {
        self.committer.shared.write(0, |_| Ok(()))
    }

    /// Why no more writes are taken, once one has failed: for the node's health.
    pub fn failure(&self) -> Option<WriteError> {
        self.committer.shared.poisoned()
    }

    /// Waits until no more writes are taken.
    pub fn poll_failure(&self, waker: &Waker) -> Poll<WriteError> {
        self.committer.shared.poll_poisoned(waker)
    }
}
