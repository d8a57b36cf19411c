//! What a queue asks of the log in which its messages lie. The log keeps them; the queue only knows their places.

use std::sync::Arc;

use message::Publication;

/// The place of a message in its queue: from 0, ascending in the order of arrival, never used twice. Messages that the
/// limits of the queue dropped leave gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ordinal(pub u64);

impl Ordinal {
    /// The place after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A message as the log holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub ordinal: Ordinal,
    pub publication: Arc<Publication>,
    /// How often it was delivered before, as far as the log was told.
    pub deliveries: u32,
}

/// Where to go on after a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOn {
    /// The first place that was not looked at.
    pub from: Ordinal,
    /// Whether there are messages from there on.
    pub more: bool,
}

/// The messages of one queue that are not acknowledged, in a log that outlives the process. The queue calls it while
/// it decides, so a read should come from memory or from a file that is.
pub trait Backlog {
    /// Says when a change has reached the disk.
    type Commit;
    type Error;

    /// Puts the messages from `from` on to the end of `out`, in order: at least one if there is one, at most
    /// `messages_max`, and no more once they weigh `bytes_max`.
    fn read(
        &mut self,
        from: Ordinal,
        messages_max: usize,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<ReadOn, Self::Error>;

    /// Forgets messages, in any order. Those that are not there any more do no harm.
    fn acknowledge(&mut self, ordinals: &[Ordinal]) -> Self::Commit;

    /// Remembers that a message was handed out so many times. Nobody waits for the disk: after a loss of power the
    /// count may be one of a moment before. A message that is `in_turn` is not handed out before those that lie before it,
    /// but for such as are not in turn themselves.
    fn note_deliveries(&mut self, ordinal: Ordinal, deliveries: u32, in_turn: bool);
}
