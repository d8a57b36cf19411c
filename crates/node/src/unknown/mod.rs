//! What lies in the logs and the tables do not know, as when tables.redb was lost, damaged, or put back from an older copy.
//! It is made again as far as it says itself what it is; the rest is kept, and a person is told.

mod restore;

use std::collections::HashSet;

use message::DestinationId;
use store::spool::Spool;
use store::table::{ReadError, Tables};

pub(crate) use self::restore::restore;
use crate::destinations::StreamLogs;
use crate::removed;

/// So many are named in the log.
const NAMED_MAX: u64 = 20;

/// What was found, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unknown {
    /// Sessions and queues in the spool.
    pub(crate) destinations: u64,
    /// Messages that wait there.
    pub(crate) messages: u64,
    /// Folders of streams.
    pub(crate) streams: u64,
    /// What was made again.
    pub(crate) restored_sessions: u64,
    pub(crate) restored_queues: u64,
    pub(crate) restored_streams: u64,
    /// Messages that wait in those sessions and queues.
    pub(crate) restored_messages: u64,
}

/// Sees to it that nothing new gets the number of something old.
pub(crate) fn go_beyond(tables: &Tables, in_spool: Option<DestinationId>, streams: &StreamLogs) {
    if let Some(highest) = in_spool.max(streams.folders().into_iter().max()) {
        tables.destinations().go_beyond(highest);
    }
}

/// Looks for what is still unknown and says what to do about it; these sessions are no longer.
pub(crate) fn report(
    tables: &Tables,
    spool: &Spool,
    streams: &StreamLogs,
    restored: &HashSet<DestinationId>,
    found: &mut Unknown,
) -> Result<(), ReadError> {
    let known = removed::known(tables)?;
    let folders = streams.folders();
    for id in spool.destinations() {
        let (messages, bytes) = spool.waiting(id);
        if known.contains(&id) || folders.contains(&id) || restored.contains(&id) || messages == 0 {
            continue;
        }
        found.destinations += 1;
        found.messages += messages;
        if found.destinations <= NAMED_MAX {
            tracing::error!(
                destination = id.get(),
                messages,
                bytes,
                "tables.redb does not know a session or queue of the spool: its messages are kept. Put a tables.redb back \
                 that knows it, or throw them away with `headwater store discard {}`",
                id.get()
            );
        }
    }
    for id in folders.into_iter().filter(|id| !known.contains(id)) {
        found.streams += 1;
        if found.streams <= NAMED_MAX {
            tracing::error!(
                folder = %streams.folder_of(id).display(),
                "tables.redb does not know a stream: its files are kept. Put a tables.redb back that knows it, or throw it \
                 away with `headwater store discard {}`",
                id.get()
            );
        }
    }
    if found.destinations > NAMED_MAX || found.streams > NAMED_MAX {
        let Unknown { destinations, messages, streams, .. } = *found;
        tracing::error!(
            destinations,
            messages,
            streams,
            "tables.redb does not know more than is named above: all is kept"
        );
    }
    Ok(())
}
