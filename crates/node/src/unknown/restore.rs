//! Makes again what the tables do not know and what says itself what it is: queues and streams with their settings, sessions
//! with what waits for them. A session has lost its subscriptions with the tables: its client is told that it is new, so that
//! it subscribes again, and gets what waited all the same.

use std::collections::HashMap;

use broker::RestoredSession;
use message::{ClientId, DestinationId, QueueName, StreamName};
use store::spool::Spool;
use store::table::{Label, ReadError, StoredQueue, StoredStream, Tables};

use super::Unknown;
use crate::clock;
use crate::destinations::{StreamLogs, default_queue, default_stream};
use crate::{removed, sessions};

/// What the tables know by name.
struct Names {
    sessions: HashMap<ClientId, DestinationId>,
    queues: HashMap<QueueName, DestinationId>,
    streams: HashMap<StreamName, DestinationId>,
}

impl Names {
    fn read(tables: &Tables) -> Result<Self, ReadError> {
        let (mut sessions, mut queues, mut streams) = (HashMap::new(), HashMap::new(), HashMap::new());
        // Whoever opens them tells what is damaged.
        let _ = tables.sessions().each(|client, stored| {
            sessions.insert(client, stored.destination);
        })?;
        let _ = tables.queues().each(|name, stored| {
            queues.insert(name, stored.destination);
        })?;
        let _ = tables.streams().each(|name, stored| {
            streams.insert(name, stored.destination);
        })?;
        Ok(Self { sessions, queues, streams })
    }
}

/// Whether what is found under a number may take a name. One that the tables have under a lower number, of which there is
/// nothing, was removed and made again after these tables were copied.
fn may_take(named: Option<DestinationId>, found: DestinationId, has_data: impl Fn(DestinationId) -> bool) -> bool {
    named.is_none_or(|named| named < found && !has_data(named))
}

/// Makes queues and streams again in the tables, and gives the sessions that have to be taken up again. What cannot be made
/// again stays unknown.
pub(crate) async fn restore(
    tables: &Tables,
    spool: &Spool,
    streams: &StreamLogs,
) -> Result<(Unknown, Vec<RestoredSession>), ReadError> {
    let known = removed::known(tables)?;
    let folders = streams.folders();
    let mut destinations = spool.destinations();
    destinations.retain(|id| !known.contains(id) && !folders.contains(id));
    let unknown_streams: Vec<_> = folders.into_iter().rev().filter(|id| !known.contains(id)).collect();
    if destinations.is_empty() && unknown_streams.is_empty() {
        return Ok((Unknown::default(), Vec::new()));
    }
    // The latest first: of two with one name the older one was removed.
    destinations.sort_unstable_by(|a, b| b.cmp(a));
    let mut names = Names::read(tables)?;
    let mut found = Unknown::default();
    let mut restored = Vec::new();
    for id in destinations {
        match spool.label(id).and_then(|label| Label::decode(&label)) {
            Some(Label::Session { client_id, expiry }) => {
                let named = names.sessions.get(&client_id).copied();
                if may_take(named, id, |id| spool.state(id).is_some()) {
                    found.restored_sessions += 1;
                    found.restored_messages += spool.waiting(id).0;
                    names.sessions.insert(client_id.clone(), id);
                    restored.push(sessions::forgotten(client_id, id, expiry));
                }
            }
            Some(Label::Queue { name, stored }) => {
                let named = names.queues.get(&name).copied();
                if may_take(named, id, |id| spool.state(id).is_some()) && make_queue(tables, &name, id, stored).await {
                    found.restored_queues += 1;
                    found.restored_messages += spool.waiting(id).0;
                    names.queues.insert(name, id);
                }
            }
            Some(Label::Stream { .. }) | None => {}
        }
    }
    for id in unknown_streams {
        let Some(Label::Stream { name, stored }) = streams.label(id) else { continue };
        let named = names.streams.get(&name).copied();
        if may_take(named, id, |id| streams.has_folder(id)) && make_stream(tables, &name, id, stored).await {
            found.restored_streams += 1;
            names.streams.insert(name, id);
        }
    }
    if found.restored_sessions > 0 {
        tracing::error!(
            sessions = found.restored_sessions,
            "tables.redb did not know sessions of the spool: they are taken up again with what waits for them; their \
             subscriptions are lost or old, so their clients are told that their sessions are new"
        );
    }
    Ok((found, restored))
}

async fn make_queue(tables: &Tables, name: &QueueName, id: DestinationId, stored: Option<StoredQueue>) -> bool {
    let has_settings = stored.is_some();
    let stored = match stored {
        Some(stored) => StoredQueue { destination: id, ..stored },
        None => StoredQueue { destination: id, created: clock::now().wall, options: default_queue() },
    };
    match tables.queues().put(name, &stored).await {
        Ok(()) => {
            tracing::error!(queue = %name, has_settings, "tables.redb did not know a queue of the spool: it is made again");
            true
        }
        Err(error) => {
            tracing::error!(queue = %name, %error, "tables.redb does not know a queue of the spool, and it cannot be made again");
            false
        }
    }
}

async fn make_stream(tables: &Tables, name: &StreamName, id: DestinationId, stored: Option<StoredStream>) -> bool {
    let has_settings = stored.is_some();
    let stored = match stored {
        Some(stored) => StoredStream { destination: id, ..stored },
        None => StoredStream { destination: id, created: clock::now().wall, options: default_stream() },
    };
    match tables.streams().put(name, &stored).await {
        Ok(()) => {
            tracing::error!(stream = %name, has_settings, "tables.redb did not know a stream: it is made again");
            true
        }
        Err(error) => {
            tracing::error!(stream = %name, %error, "tables.redb does not know a stream, and it cannot be made again");
            false
        }
    }
}
