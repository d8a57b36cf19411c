//! Those who bring messages to one destination while its log is crowded: they wait, and go on in the order in which they came.

use std::future::poll_fn;
use std::sync::Arc;

use store::log::Intake;
use tokio::sync::{Mutex, MutexGuard};

/// The line before one destination.
#[derive(Debug)]
pub(super) struct Line {
    log: Arc<Intake>,
    /// Had by whoever is first.
    first: Mutex<()>,
}

impl Line {
    pub(super) fn new(log: &Arc<Intake>) -> Self {
        Self { log: Arc::clone(log), first: Mutex::default() }
    }

    /// Whether nobody waits, and nobody has to.
    pub(super) fn is_free(&self) -> bool {
        !self.log.is_crowded() && self.first.try_lock().is_ok()
    }

    /// Waits until everyone has had his turn who came before, and there is room. The turn ends when this is dropped.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        let first = self.first.lock().await;
        self.room().await;
        first
    }

    /// Waits until there is room, out of turn.
    pub(super) async fn room(&self) {
        poll_fn(|context| self.log.poll_room(context.waker())).await;
    }
}
