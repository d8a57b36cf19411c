//! How far the node is on its way from serving to its end, as connections need to know it.

use tokio::sync::watch;

/// What the node still does for its MQTT clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// All of it.
    Serving,
    /// Clients still get what flows publish while these end. What clients publish is not taken, nor acknowledged: they
    /// send it again when the node is back.
    Draining,
    /// Nothing more will come for them but their last words.
    Closing,
}

impl Phase {
    /// Ready when this phase is reached. A sender that is gone means the end.
    pub(super) async fn reached(self, phases: &mut watch::Receiver<Self>) {
        // Not `wait_for`, whose future is larger: every connection holds one of these.
        while *phases.borrow_and_update() < self && phases.changed().await.is_ok() {}
    }
}
