//! The logs of the node, and the thread that writes them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use message::DestinationId;
use store::disk::RealDisk;
use store::log::{Committer, Poisoned};
use store::spool::{OpenError, Recovery, RewriteError, RewriteStep, Spool, SpoolOptions};

use crate::clock;
use crate::destinations::{Destinations, StreamLogs};

/// Ages are set in seconds.
const DROP_AGED_EVERY: Duration = Duration::from_secs(1);
/// How often is looked whether segments are worth being written anew.
const REWRITE_EVERY: Duration = Duration::from_secs(1);

/// What lies on disk beside the tables.
#[derive(Debug)]
pub(super) struct Logs {
    /// What waits for queues and sessions.
    pub(super) spool: Spool,
    /// The largest number of a session or queue that is in the files of the spool.
    pub(super) highest_destination: Option<DestinationId>,
    committer: Arc<Committer>,
    streams: PathBuf,
}

/// Why the logs cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("the system gives no thread for writing logs: {0}")]
    Thread(#[from] io::Error),
    #[error(transparent)]
    Spool(#[from] OpenError),
}

impl Logs {
    pub(super) fn open(data_dir: &Path) -> Result<Self, LogsError> {
        let disk = Arc::new(RealDisk);
        let committer = Arc::new(Committer::start()?);
        let (spool, recovery) = Spool::open(disk, &data_dir.join("spool"), SpoolOptions::default(), &committer)?;
        tell(&recovery);
        let highest_destination = recovery.highest_destination;
        Ok(Self { spool, highest_destination, committer, streams: data_dir.join("streams") })
    }

    /// Where streams have their logs.
    pub(super) fn of_streams(&self) -> StreamLogs {
        StreamLogs::new(self.streams.clone(), &self.committer)
    }

    /// Ready when all that was appended is on disk, or never will be.
    pub(super) async fn settle(&self) -> Result<(), Poisoned> {
        let point = self.spool.sync_point();
        std::future::poll_fn(|context| self.spool.poll_committed(point, context.waker())).await
    }

    /// Writes what waits, and ends the thread.
    pub(super) fn close(self) {
        drop(self.committer);
    }
}

/// Drops what is older than its queue or stream keeps it, until it is cancelled.
pub(super) async fn keep_young(spool: Spool, destinations: Arc<Destinations>) {
    let mut ticks = tokio::time::interval(DROP_AGED_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        destinations.tidy_streams();
        let spool = spool.clone();
        // It reads files: not on a thread that others wait for.
        let dropped = tokio::task::spawn_blocking(move || spool.drop_aged(clock::now().wall)).await;
        match dropped {
            Ok(Ok(0)) => {}
            Ok(Ok(messages)) => tracing::debug!(messages, "messages were older than their queue keeps them"),
            Ok(Err(error)) => tracing::warn!(%error, "messages that are too old stay on disk"),
            Err(error) => tracing::error!(%error, "dropping messages that are too old broke down"),
        }
    }
}

/// Gives the disk back what is dead beside what still waits, until it is cancelled.
pub(super) async fn keep_small(spool: Spool) {
    let mut ticks = tokio::time::interval(REWRITE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut rewriter = spool.rewriter();
        loop {
            // It reads and syncs files: not on a thread that others wait for, and little at once, so that it ends in time.
            let stepped = tokio::task::spawn_blocking(move || {
                let step = rewriter.step();
                (rewriter, step)
            });
            let step = match stepped.await {
                Ok((same, step)) => {
                    rewriter = same;
                    step
                }
                Err(error) => {
                    tracing::error!(%error, "writing the spool anew broke down");
                    break;
                }
            };
            match step {
                Ok(RewriteStep::Worked) => {}
                Ok(RewriteStep::Idle) => break,
                Ok(RewriteStep::Waits(point)) => {
                    // If it fails, the next step says so.
                    let _ = std::future::poll_fn(|context| spool.poll_committed(point, context.waker())).await;
                }
                Ok(RewriteStep::Rewritten { segments, bytes_freed }) => {
                    tracing::debug!(segments, bytes_freed, "mostly dead segments of the spool are written anew");
                }
                Err(error @ RewriteError::NoRoom { .. }) => {
                    tracing::debug!(%error, "the spool stays as large as it is");
                    break;
                }
                Err(error) => tracing::warn!(%error, "the spool stays as large as it is"),
            }
        }
    }
}

/// Says what was found, as far as a person should know.
fn tell(recovery: &Recovery) {
    for damage in &recovery.damage {
        tracing::error!(
            file = damage.file,
            at = damage.at,
            bytes = damage.bytes,
            records = damage.records,
            "the spool is damaged: {}",
            damage.what
        );
    }
    if recovery.lost_messages > 0 {
        tracing::error!(messages = recovery.lost_messages, "messages in the spool are lost by damage");
    }
    if recovery.quarantined_bytes > 0 {
        tracing::info!(
            bytes = recovery.quarantined_bytes,
            "damaged bytes are copied to `spool/quarantine` in the data directory"
        );
    }
    if recovery.cut_bytes > 0 || recovery.torn_records > 0 {
        tracing::info!(
            bytes = recovery.cut_bytes,
            records = recovery.torn_records,
            "the end of the spool was being written when the node ended; nobody was promised it"
        );
    }
}
