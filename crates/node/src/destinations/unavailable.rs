//! Streams whose files cannot be opened. The node runs without them: they stand in the API with the reason, what is
//! published to them is refused, so that no acknowledgement promises what is not kept, and their files stay as they are.

use std::sync::Arc;

use broker::{Bindings, Broken, Collector, Promises};
use message::{Publication, StreamName};
use store::stream::StreamState;
use store::table::StoredStream;

use super::streams::filters;
use super::{ChangeError, Destinations, NodeStreamState};

/// A stream that is not at work.
#[derive(Debug)]
pub(super) struct Unavailable {
    stored: StoredStream,
    reason: String,
    /// Refuses what is published to it.
    _bindings: Bindings,
}

#[derive(Debug)]
struct Refusing;

impl Collector for Refusing {
    fn collect(&self, _publication: &Publication) -> Result<Promises, Broken> {
        Err(Broken::Failed)
    }
}

impl Destinations {
    /// Goes on without a stream.
    pub(super) fn do_without(&self, name: StreamName, stored: StoredStream, error: &ChangeError) {
        let reason = format!(
            "stream `{name}` is not available: {error}; start the node again when its files can be read, or delete the stream"
        );
        tracing::error!(stream = %name, "{reason}");
        let bindings = Bindings::new(&self.router, Arc::new(Refusing));
        bindings.set(filters(&name, &stored));
        self.unavailable.write().insert(name, Unavailable { stored, reason, _bindings: bindings });
    }

    /// Why a stream is not available, if it is there and is not.
    pub(crate) fn unavailable(&self, name: &StreamName) -> Option<String> {
        self.unavailable.read().get(name).map(|stream| stream.reason.clone())
    }

    /// All reasons of streams that are not available.
    pub(crate) fn all_unavailable(&self) -> Vec<String> {
        self.unavailable.read().values().map(|stream| stream.reason.clone()).collect()
    }

    pub(super) fn unavailable_states(&self) -> Vec<NodeStreamState> {
        let state = |(name, stream): (&StreamName, &Unavailable)| NodeStreamState {
            name: name.clone(),
            stored: stream.stored.clone(),
            log: StreamState::default(),
            failure: Some(stream.reason.clone()),
            refused: 0,
            purged: 0,
            consumers: Vec::new(),
        };
        self.unavailable.read().iter().map(state).collect()
    }

    /// Removes a stream that is not available. Says whether it was there.
    pub(super) async fn remove_unavailable(&self, name: &StreamName) -> Result<bool, ChangeError> {
        let stored = self.unavailable.read().get(name).map(|stream| stream.stored.clone());
        let Some(stored) = stored else { return Ok(false) };
        self.tables.streams().remove(name).await?;
        self.unavailable.write().remove(name);
        self.spool.remove(stored.destination);
        let logs = self.logs.clone();
        // It may be much.
        let _ = tokio::task::spawn_blocking(move || logs.remove(stored.destination)).await;
        Ok(true)
    }
}
