//! The order of all changes of retained messages. They are written to a table, but one that came with a QoS 2 handshake
//! stands in the spool too, in one record with the handshake: a crash may leave it there and not in the table. These
//! numbers say whether the table knows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The place of a change among all changes of retained messages in all lives of a node: larger is later. The first has 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The one before this.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Where a change of a retained message stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    pub revision: Revision,
    /// All changes up to this one were told before, or came to nothing: none of them comes any more.
    pub complete: Revision,
}

/// How far the table is: it has all changes up to this one, or later ones of their topics. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RevisionMark(Arc<AtomicU64>);

impl RevisionMark {
    pub(crate) fn new(at: Revision) -> Self {
        Self(Arc::new(AtomicU64::new(at.0)))
    }

    pub fn get(&self) -> Revision {
        Revision(self.0.load(Ordering::Acquire))
    }

    /// The table has come here.
    pub fn raise(&self, to: Revision) {
        self.0.fetch_max(to.0, Ordering::AcqRel);
    }
}
