//! Messages of QoS 2 on their way into a stream. They wait in the spool, in the record that says that their publisher sent
//! them, and are appended to the stream when that record is safe. A crash in between repeats none: the stream keeps the
//! ordinal that each had in the spool.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::time::Duration;

use message::{DestinationId, StreamName, Timestamp, limits};
use store::log::{AppendError, CommitPoint, Poisoned, ReadError};
use store::spool::{DestinationOptions, Ordinal, Spool, Spooled};
use store::stream::Stream;
use store::{DestinationLimits, Durability, FullPolicy};
use tokio::sync::{Mutex, Notify};

use crate::clock;
use crate::destinations::memory;

/// How far the clock may have been set back while messages waited.
const CLOCK_SLACK: Duration = Duration::from_secs(600);
/// How long to rest before a stream that takes nothing is asked again.
const REST: Duration = Duration::from_millis(100);

/// Where the messages of one stream wait.
#[derive(Debug)]
pub(super) struct Staging {
    spool: Spool,
    destination: DestinationId,
    stream: Stream,
    news: Notify,
    /// Of one at a time.
    moving: Mutex<Moving>,
}

/// How far the moving is.
#[derive(Debug)]
struct Moving {
    from: Ordinal,
    /// Wait in the spool, and are in the stream.
    in_stream: BTreeSet<Ordinal>,
    /// When this is reached, all that was moved is safe in the stream.
    point: CommitPoint,
}

/// Why messages stay in the spool for now.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    #[error("reading the spool broke down: {0}")]
    Reader(#[from] tokio::task::JoinError),
}

impl Staging {
    pub(super) fn open(
        spool: &Spool,
        destination: DestinationId,
        durability: Durability,
        stream: &Stream,
    ) -> Result<Self, ReadError> {
        spool.add(destination, options(durability))?;
        if durability == Durability::Memory {
            memory::throw_away(spool, destination)?;
        }
        let mut oldest = Vec::new();
        spool.read(destination, Ordinal::default(), 1, 1, &mut oldest)?;
        let in_stream = match oldest.first() {
            Some(oldest) => stream.staged(since(oldest.publication.published_at), oldest.ordinal)?,
            None => BTreeSet::new(),
        };
        let moving = Moving { from: Ordinal::default(), in_stream, point: CommitPoint::REACHED };
        let (news, moving) = (Notify::new(), Mutex::new(moving));
        Ok(Self { spool: spool.clone(), destination, stream: stream.clone(), news, moving })
    }

    pub(super) fn set_durability(&self, durability: Durability) -> Result<(), ReadError> {
        self.spool.add(self.destination, options(durability))
    }

    /// A message was put into the spool.
    pub(super) fn notify(&self) {
        self.news.notify_one();
    }

    /// Moves what comes, until it is cancelled or a log is broken.
    pub(super) async fn run(&self, name: &StreamName) {
        let mut moving = self.moving.lock().await;
        loop {
            match self.move_some(&mut moving).await {
                Ok(true) => {}
                Ok(false) => self.news.notified().await,
                Err(error) => {
                    tracing::warn!(stream = %name, %error, "messages of QoS 2 wait in the spool for their stream");
                    if matches!(error, MoveError::Poisoned(_) | MoveError::Append(AppendError::Poisoned(_))) {
                        return;
                    }
                    tokio::time::sleep(REST * 10).await;
                }
            }
        }
    }

    /// Moves as many messages as are read at once. Returns whether there are more.
    async fn move_some(&self, moving: &mut Moving) -> Result<bool, MoveError> {
        let (spool, destination, from) = (self.spool.clone(), self.destination, moving.from);
        // It may read files: not on a thread that others wait for.
        let read = tokio::task::spawn_blocking(move || {
            let mut waiting = Vec::new();
            let (most, bytes_most) = (limits::STREAM_MOVED_MESSAGES_MAX, limits::STREAM_PAGE_BYTES_MAX);
            let read_on = spool.read(destination, from, most, bytes_most, &mut waiting)?;
            Ok::<_, ReadError>((waiting, read_on))
        });
        let (waiting, read_on) = read.await??;
        // Where the spool is not safe, its publisher may send a message again.
        let point = waiting.iter().fold(CommitPoint::REACHED, |point, spooled| point.join(spooled.point));
        poll_fn(|context| self.spool.poll_committed(point, context.waker())).await?;
        for spooled in &waiting {
            if !moving.in_stream.contains(&spooled.ordinal) {
                moving.point = self.append(spooled).await?;
                moving.in_stream.insert(spooled.ordinal);
            }
        }
        poll_fn(|context| self.stream.poll_committed(moving.point, context.waker())).await?;
        let ordinals: Vec<Ordinal> = waiting.iter().map(|spooled| spooled.ordinal).collect();
        if !ordinals.is_empty() {
            // Nobody waits for it: after a crash the stream tells that it has them.
            let _ = self.spool.acknowledge(self.destination, &ordinals);
        }
        for ordinal in &ordinals {
            moving.in_stream.remove(ordinal);
        }
        moving.from = read_on.from;
        Ok(read_on.more)
    }

    /// Appends a message, when there is room.
    async fn append(&self, spooled: &Spooled) -> Result<CommitPoint, AppendError> {
        loop {
            match self.stream.append_staged(clock::now().wall, &spooled.publication, spooled.ordinal) {
                Ok((_, point)) => return Ok(point),
                Err(AppendError::Full { .. } | AppendError::NoRoom { .. }) => tokio::time::sleep(REST).await,
                Err(error) => return Err(error),
            }
        }
    }
}

fn since(oldest: Timestamp) -> Timestamp {
    let slack_us = i64::try_from(CLOCK_SLACK.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(oldest.as_micros().saturating_sub(slack_us))
}

fn options(durability: Durability) -> DestinationOptions {
    let bytes_max = limits::STREAM_STAGED_BYTES_MAX;
    let limits = DestinationLimits { bytes_max, ..DestinationLimits::NONE };
    DestinationOptions { durability, limits, policy: FullPolicy::Refuse }
}

#[cfg(test)]
mod tests;
