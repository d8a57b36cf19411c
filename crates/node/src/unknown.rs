//! What lies in the logs and the tables do not know, as when tables.redb was lost, damaged, or put back from an older copy.
//! It is kept, and a person is told.

use message::DestinationId;
use store::spool::Spool;
use store::table::{ReadError, Tables};

use crate::destinations::StreamLogs;
use crate::removed;

/// What was found, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unknown {
    /// Sessions and queues in the spool.
    pub(crate) destinations: u64,
    /// Messages that wait there.
    pub(crate) messages: u64,
    /// Folders of streams.
    pub(crate) streams: u64,
}

/// Sees to it that nothing new gets the number of something old.
pub(crate) fn go_beyond(tables: &Tables, in_spool: Option<DestinationId>, streams: &StreamLogs) {
    if let Some(highest) = in_spool.max(streams.folders().into_iter().max()) {
        tables.destinations().go_beyond(highest);
    }
}

/// Looks for it and says what to do about it.
pub(crate) fn report(tables: &Tables, spool: &Spool, streams: &StreamLogs) -> Result<Unknown, ReadError> {
    let known = removed::known(tables)?;
    let folders = streams.folders();
    let mut found = Unknown::default();
    for id in spool.destinations().into_iter().filter(|id| !known.contains(id) && !folders.contains(id)) {
        let (messages, bytes) = spool.waiting(id);
        if messages == 0 {
            continue;
        }
        found.destinations += 1;
        found.messages += messages;
        tracing::error!(
            destination = id.get(),
            messages,
            bytes,
            "tables.redb does not know a session or queue of the spool: its messages are kept. Put a tables.redb back that \
             knows it, or throw them away with `headwater store discard {}`",
            id.get()
        );
    }
    for id in folders.into_iter().filter(|id| !known.contains(id)) {
        found.streams += 1;
        tracing::error!(
            folder = %streams.folder_of(id).display(),
            "tables.redb does not know a stream: its files are kept. Put a tables.redb back that knows it, or throw it away \
             with `headwater store discard {}`",
            id.get()
        );
    }
    Ok(found)
}
