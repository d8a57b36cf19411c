//! Dead letters go back to where they died, to be tried again.

use broker::queue::{DEAD_LETTER_QUEUE, Ordinal, alive_again, user_property};
use message::{Now, QueueName};
use store::log::Poisoned;
use store::spool::ReadError;

use super::queue::MoveError;
use super::{Commit, Destinations, PutError};

/// Messages that are looked at in one step.
const STEP_MESSAGES: usize = 256;

/// What became of the messages of a dead letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Requeued {
    /// Messages that went back.
    pub(crate) requeued: u64,
    /// Messages that stayed: no dead letters, or their queue is gone.
    pub(crate) left: u64,
}

/// Why not all went back. Those that did are gone from the dead letter queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequeueError {
    #[error("there is no queue `{0}`")]
    Unknown(QueueName),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Put(#[from] PutError),
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

impl From<MoveError> for RequeueError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Read(error) => Self::Read(error),
            MoveError::Put(error) => Self::Put(error),
        }
    }
}

impl Destinations {
    /// Puts the dead letters that wait in a queue now back into the queues that they come from; one of them, or all.
    /// It returns when that is on disk.
    pub(crate) async fn requeue(
        &self,
        now: Now,
        name: &QueueName,
        only: Option<Ordinal>,
    ) -> Result<Requeued, RequeueError> {
        let queue = self.queue(name).ok_or_else(|| RequeueError::Unknown(name.clone()))?;
        let end = only.map_or_else(|| queue.next(), Ordinal::next);
        let mut from = only.unwrap_or_default();
        let mut requeued = Requeued::default();
        let mut last: Option<Commit> = None;
        while from < end {
            let (letters, read_on) = queue.peek(from, STEP_MESSAGES)?;
            for letter in letters.iter().map(|peeked| &peeked.stored).filter(|stored| stored.ordinal < end) {
                let died_in = user_property(&letter.publication, DEAD_LETTER_QUEUE);
                let origin =
                    died_in.and_then(|name| QueueName::parse_any(name).ok()).and_then(|name| self.queue(&name));
                let moved = match origin {
                    Some(origin) if origin.name() != name => {
                        origin.room().await;
                        queue.move_to(now, &origin, letter.ordinal, alive_again)?
                    }
                    _ => None,
                };
                requeued.requeued += u64::from(moved.is_some());
                requeued.left += u64::from(moved.is_none());
                last = match (last.take(), moved) {
                    (Some(before), Some(moved)) => Some(Commit::join(before, moved)),
                    (before, moved) => moved.or(before),
                };
            }
            if !read_on.more {
                break;
            }
            from = read_on.from;
            tokio::task::yield_now().await;
        }
        if let Some(commit) = last {
            commit.await?;
        }
        Ok(requeued)
    }
}
