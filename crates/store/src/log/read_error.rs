//! Why messages could not be read.

/// Why messages could not be read. What is damaged is no such error: it is passed over and counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the destination {0} is not known to the spool: add it first")]
    Unknown(message::DestinationId),
    #[error("{file} cannot be read: {what}; look at the disk")]
    Disk { file: String, what: String },
}
