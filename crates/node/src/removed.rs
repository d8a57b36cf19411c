//! Ends the removal of sessions, queues and streams: deletes what the tables have marks for, and forgets the marks when that is
//! on disk. Nothing else deletes what lies in the logs: what the tables merely do not know is kept.

use std::collections::HashSet;
use std::time::Duration;

use message::DestinationId;
use store::spool::Spool;
use store::table::{ReadError, Tables};

use crate::destinations::StreamLogs;

/// A mark is a few bytes: they may gather.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Deletes what was removed and is still there, as after a crash amid a removal.
pub(crate) fn finish(tables: &Tables, spool: &Spool, streams: &StreamLogs) -> Result<(), ReadError> {
    let (marked, scan) = tables.removals().all()?;
    if scan.damaged > 0 {
        tracing::error!(marks = scan.damaged, "marks of what was removed are damaged in tables.redb: it is kept");
    }
    if marked.is_empty() {
        return Ok(());
    }
    let known = known(tables)?;
    for destination in marked.into_iter().filter(|destination| !known.contains(destination)) {
        spool.remove(destination);
        streams.remove(destination);
    }
    Ok(())
}

/// All that the tables know.
pub(crate) fn known(tables: &Tables) -> Result<HashSet<DestinationId>, ReadError> {
    let mut known = Vec::new();
    // Whoever opens them tells what is damaged.
    let _ = tables.sessions().each(|_, session| known.push(session.destination))?;
    let _ = tables.queues().each(|_, queue| known.push(queue.destination))?;
    let _ = tables.streams().each(|_, stream| known.push(stream.destination))?;
    Ok(known.into_iter().collect())
}

/// Forgets marks whose messages are gone, until it is cancelled.
pub(crate) async fn keep_tidy(tables: Tables, spool: Spool, streams: StreamLogs) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tidy(&tables, &spool, &streams).await;
    }
}

async fn tidy(tables: &Tables, spool: &Spool, streams: &StreamLogs) {
    // What cannot be read or written now is tried again: a mark that stays does no harm.
    let Ok((marked, _)) = tables.removals().all() else { return };
    let gone: Vec<_> = marked.into_iter().filter(|id| spool.state(*id).is_none() && !streams.has_folder(*id)).collect();
    if gone.is_empty() || streams.sync().is_err() {
        return;
    }
    let point = spool.sync_point();
    if std::future::poll_fn(|context| spool.poll_committed(point, context.waker())).await.is_ok() {
        let _ = tables.removals().forget(gone).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use message::{ClientId, Timestamp};
    use store::Durability;
    use store::disk::RealDisk;
    use store::log::Committer;
    use store::spool::{DestinationOptions, SpoolOptions};
    use store::table::StoredSession;

    use super::*;

    #[tokio::test]
    async fn a_mark_is_forgotten_when_what_it_stands_for_is_gone_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let committer = Arc::new(Committer::start().unwrap());
        let path = folder.path().join("spool");
        let (spool, _) = Spool::open(Arc::new(RealDisk), &path, SpoolOptions::default(), &committer).unwrap();
        let streams = StreamLogs::new(folder.path().join("streams"), &committer);
        let (tables, _) = Tables::open(&folder.path().join("tables.redb")).unwrap();
        let client = ClientId::parse("a").unwrap();
        let session = StoredSession {
            destination: DestinationId::new(7),
            created: Timestamp::default(),
            absent_since: None,
            expiry: None,
            durability: Durability::Fsync,
            will: None,
        };
        tables.sessions().put(&client, &session).wait().unwrap();
        spool.add(session.destination, DestinationOptions::default()).unwrap();
        tables.sessions().remove(&client).wait().unwrap();
        tidy(&tables, &spool, &streams).await;
        assert_eq!(tables.removals().all().unwrap().0, [session.destination]);
        finish(&tables, &spool, &streams).unwrap();
        assert_eq!(spool.state(session.destination), None);
        tidy(&tables, &spool, &streams).await;
        assert_eq!(tables.removals().all().unwrap().0, []);
    }
}
