//! From one version of a flow to the next, in order: what the old one had not taken has moved to the new one, which
//! begins once the old one has ended what it had begun.

use std::sync::Arc;
use std::time::Duration;

use message::FlowId;

use super::host::{FlowHost, Running, condition};
use super::state::FlowStatus;
use super::thread::Control;
use crate::clock;

/// How long a change waits for the new version to begin; past it, it tells that the new version waits.
const HAND_OVER_SHOWN_AFTER: Duration = Duration::from_secs(1);

/// How far a version is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// It takes messages, or has not ended what must come before those of the next version.
    No,
    /// All that is left has failed and is tried again: it has lost its place, and the next version may begin.
    InOrder,
    /// It has ended all that it had begun, or was given up.
    Ended,
}

impl Running {
    /// Goes on to `ending`, never back.
    pub(super) fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|current| {
            let is_further = ending > *current;
            *current = ending.max(*current);
            is_further
        });
    }

    pub(super) async fn await_end(&self, ending: Ending) {
        // The sender lives as long as `self`.
        let _ = self.ending.subscribe().wait_for(|current| *current >= ending).await;
    }
}

impl FlowHost {
    /// Lets a version begin that has taken over from another one, as soon as messages stay in order by that. Whoever
    /// changes the flow waits a moment for it; a version that waits longer says so.
    pub(super) async fn begin_after(self: &Arc<Self>, before: Arc<Running>, id: &FlowId, next: &Arc<Running>) {
        self.drain_apart(Arc::clone(&before));
        if tokio::time::timeout(HAND_OVER_SHOWN_AFTER, before.await_end(Ending::InOrder)).await.is_ok() {
            return self.begin(id, next);
        }
        self.say(id, next, "waits until the version before has ended what it began, so that messages stay in order");
        let (host, id, next) = (Arc::clone(self), id.clone(), Arc::clone(next));
        tokio::spawn(async move {
            before.await_end(Ending::InOrder).await;
            host.say(&id, &next, "");
            host.begin(&id, &next);
        });
    }

    /// Lets a version begin.
    pub(super) fn begin(&self, id: &FlowId, next: &Running) {
        // A failed send means that the thread has ended.
        let _ = next.control.try_send(Control::Go);
        self.announce(id);
    }

    fn say(&self, id: &FlowId, running: &Arc<Running>, text: &str) {
        {
            let mut flows = self.flows.lock();
            let Some(slot) = flows.get_mut(id) else { return };
            // Another version may have come, or someone may have stopped the flow.
            if !slot.running.as_ref().is_some_and(|current| Arc::ptr_eq(current, running)) {
                return;
            }
            slot.condition = condition(FlowStatus::Running, text, clock::now());
        }
        if !text.is_empty() {
            tracing::info!(flow = id.as_str(), "the new version {text}");
            self.announce(id);
        }
    }
}
