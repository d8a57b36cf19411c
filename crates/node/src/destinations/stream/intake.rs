//! Messages of QoS 2 on their way into a stream. The handshake with their publisher is in the spool, and so are they at
//! first, in one record: if they went straight into the stream's own log, a crash could leave one without the other. From
//! the spool they are moved on once they are safe there.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use message::limits;
use store::DestinationLimits;
use store::FullPolicy;
use store::log::{AppendError, CommitPoint, Poisoned};
use store::spool::{DestinationOptions, Ordinal, ReadError, Spool, Spooled};
use store::table::StoredStream;

use super::NodeStream;
use crate::clock;

/// What a stream takes into the spool. They stay there for a moment: nothing but the disk limits them.
pub(super) fn spool_options(stored: &StoredStream) -> DestinationOptions {
    let durability = stored.options.durability;
    DestinationOptions { durability, limits: DestinationLimits::NONE, policy: FullPolicy::Refuse }
}

/// Why no more is moved until the node starts again.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl NodeStream {
    /// Moves what comes in, until it is dropped.
    pub(in crate::destinations) fn take_in(self: &Arc<Self>, spool: &Spool) -> impl Future<Output = ()> + Send + use<> {
        let (stream, spool) = (Arc::clone(self), spool.clone());
        async move {
            if let Err(stuck) = stream.move_all(&spool).await {
                tracing::error!(stream = %stream.name, "messages of QoS 2 stay in the spool: {stuck}");
            }
        }
    }

    async fn move_all(&self, spool: &Spool) -> Result<(), Stuck> {
        let destination = self.stored().destination;
        let mut from = Ordinal::default();
        let mut found: Vec<Spooled> = Vec::new();
        loop {
            let (messages_max, bytes_max) = (limits::QUEUE_READ_MESSAGES_MAX, limits::QUEUE_READ_BYTES_MAX);
            from = spool.read(destination, from, messages_max, bytes_max, &mut found)?.from;
            if found.is_empty() {
                self.arrived.notified().await;
                continue;
            }
            let safe = found.iter().fold(CommitPoint::REACHED, |safe, one| safe.join(one.point));
            poll_fn(|context| spool.poll_committed(safe, context.waker())).await?;
            let ordinals: Vec<Ordinal> = found.iter().map(|spooled| spooled.ordinal).collect();
            let mut moved = CommitPoint::REACHED;
            for spooled in found.drain(..) {
                moved = moved.join(self.append_at_last(&spooled).await?);
            }
            poll_fn(|context| self.stream.poll_committed(moved, context.waker())).await?;
            spool.acknowledge(destination, &ordinals);
        }
    }

    /// Appends a message as soon as there is room for it.
    async fn append_at_last(&self, spooled: &Spooled) -> Result<CommitPoint, Stuck> {
        loop {
            match self.stream.append(clock::now().wall, &spooled.publication, |_| {}) {
                Ok((_, point)) => return Ok(point),
                Err(AppendError::Poisoned(poisoned)) => return Err(poisoned.into()),
                Err(error) => {
                    tracing::warn!(stream = %self.name, "a message of QoS 2 waits in the spool: {error}");
                    tokio::time::sleep(limits::STREAM_RETRY_DELAY).await;
                }
            }
        }
    }
}
