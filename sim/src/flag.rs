//! A waker that raises a flag: the story looks at the flags and decides whose turn it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// Raised when woken; a clone is the same flag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flag(Arc<Raised>);

#[derive(Debug, Default)]
struct Raised(AtomicBool);

impl Flag {
    /// A flag that is raised from the start: what is new wants its first turn.
    pub(crate) fn raised() -> Self {
        let flag = Self::default();
        flag.raise();
        flag
    }

    pub(crate) fn raise(&self) {
        self.0.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lower(&self) {
        self.0.0.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }
}

impl Wake for Raised {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
