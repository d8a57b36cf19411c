//! Why a log takes no message.

use message::limits;

use super::marks::Poisoned;
use super::shared::Room;

/// Why a message was not taken. Nobody has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("{waiting_bytes} bytes wait for the disk: slow down and try again")]
    Full { waiting_bytes: usize },
    #[error("the disk has {free_bytes} bytes left, {} are kept in reserve: make room", limits::LOG_DISK_RESERVE_BYTES)]
    NoRoom { free_bytes: u64 },
    #[error("the log has {bytes} bytes, as many as it may have: take messages out of it or allow it more")]
    LogFull { bytes: u64 },
    #[error("the message has {bytes} bytes: at most {} fit in a record", limits::LOG_RECORD_BYTES_MAX)]
    TooLarge { bytes: usize },
    #[error("a destination of the message is full and refuses it: let its messages be taken, or allow it more")]
    Refused,
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

impl Room {
    /// The reason not to append, if there is one.
    pub(crate) fn refusal(self) -> Option<AppendError> {
        match self {
            Self::Enough => None,
            Self::Full { waiting_bytes } => Some(AppendError::Full { waiting_bytes }),
            Self::Short { free_bytes } => Some(AppendError::NoRoom { free_bytes }),
        }
    }
}
