//! Retained messages on disk: every change of the broker's is handed to the table file, and a start begins with what
//! is there.

use std::task::{Poll, Waker};

use broker::{Broken, Pending, RestoredFigures, RetainedChange, RetainedJournal, Router};
use message::Timestamp;
use store::Turn;
use store::spool::Spool;
use store::table::{RetainedPoint, RetainedTable, WriteError};

/// Writes what the broker's retained messages come to.
#[derive(Debug)]
pub(crate) struct RetainedOnDisk {
    table: RetainedTable,
}

impl RetainedOnDisk {
    pub(crate) fn new(table: RetainedTable) -> Self {
        Self { table }
    }
}

impl RetainedJournal for RetainedOnDisk {
    fn record(&self, change: RetainedChange, turn: Turn) {
        // Whoever waits for it asks for the promise.
        let _ = match change {
            RetainedChange::Kept { publication, replaces } => self.table.keep(publication, replaces, turn),
            RetainedChange::Cleared(topic) => self.table.clear(topic, turn),
        };
    }

    fn promise(&self) -> Box<dyn Pending> {
        Box::new(Writing { table: self.table.clone(), point: self.table.last_point() })
    }
}

/// Changes on their way to the disk.
#[derive(Debug)]
struct Writing {
    table: RetainedTable,
    point: RetainedPoint,
}

impl Pending for Writing {
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Result<(), Broken>> {
        self.table.poll_reached(self.point, waker).map_err(|error| match error {
            WriteError::NoRoom { .. } | WriteError::Full { .. } => Broken::NoRoom,
            WriteError::Refused(_) | WriteError::Poisoned { .. } | WriteError::Closed { .. } => Broken::Failed,
        })
    }
}

/// Gives the broker the retained messages that are on disk. Those that have expired meanwhile are removed there, and those
/// that only the spool has are written there.
/// Nothing that is wrong with them keeps the node from starting: a person is told of what is lost.
pub(crate) fn restore(table: &RetainedTable, spool: &Spool, router: &Router, now: Timestamp) {
    let mark = table.mark();
    let mut restored = router.restore_retained(now, spool.retained());
    let scan = table.each(|publication, revision| restored.take(publication, revision));
    let RestoredFigures { caught_up, surplus } = restored.finish(mark.get());
    spool.follow_retained(mark);
    match scan {
        Ok(scan) if scan.damaged > 0 => tracing::error!(
            damaged = scan.damaged,
            "retained messages are damaged in tables.redb and were passed over: publish them again"
        ),
        Ok(scan) => tracing::debug!(messages = scan.records, caught_up, "retained messages restored"),
        Err(error) => tracing::error!(%error, "not all retained messages could be restored: publish them again"),
    }
    if surplus > 0 {
        tracing::error!(surplus, "more retained messages were on disk than the node keeps: the rest was removed");
    }
}

/// Ready when all changes so far are on disk, or when it is known that some will not be.
pub(crate) async fn settle(table: &RetainedTable) {
    let point = table.last_point();
    let settled = std::future::poll_fn(|cx| table.poll_reached(point, cx.waker())).await;
    if let Err(error) = settled {
        tracing::error!(%error, "the last retained messages are not on disk");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::RouterOptions;
    use message::{Publication, PublicationProperties, QoS, TopicFilter, TopicName};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;
    use store::disk::SimulatedDisk;
    use store::log::Committer;
    use store::spool::SpoolOptions;
    use store::table::Tables;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().saturating_add(Duration::from_secs(seconds))
    }

    /// A router as the node makes it on its tables, at a time.
    fn router(tables: &Tables, messages_max: usize, now: Timestamp) -> Arc<Router> {
        let router = Router::new(RouterOptions {
            retained_messages_max: messages_max,
            retained_journal: Some(Arc::new(RetainedOnDisk::new(tables.retained()))),
            ..RouterOptions::new(1)
        });
        let disk = Arc::new(SimulatedDisk::new(1));
        let committer = Committer::stepped();
        let (spool, _) = Spool::open(disk, Path::new("spool"), SpoolOptions::default(), &committer).unwrap();
        restore(&tables.retained(), &spool, &router, now);
        router
    }

    fn on_disk(tables: &Tables) -> usize {
        let mut count = 0;
        assert_eq!(tables.retained().each(|_, _| count += 1).unwrap().damaged, 0);
        count
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_again_without_what_has_expired_or_exceeds_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Tables::open(&folder.path().join("tables.redb")).unwrap().0;
        let topics = |router: &Router, now| {
            let all = router.retained(&TopicFilter::parse("#").unwrap(), now);
            let mut topics: Vec<String> = all.iter().map(|publication| publication.topic.to_string()).collect();
            topics.sort();
            topics
        };
        let tables = open();
        let first = router(&tables, 10, at(0));
        let mut cache = first.route_cache();
        for (topic, expiry_s) in [("a", None), ("b", Some(10)), ("c", Some(20)), ("d", None)] {
            let topic = TopicName::parse(topic).unwrap();
            let mut publication = Publication::new(topic, "x".into(), QoS::AtLeastOnce, at(0));
            publication.retain = true;
            publication.properties = expiry_s.map(|expiry_s| {
                Box::new(PublicationProperties { message_expiry_s: Some(expiry_s), ..Default::default() })
            });
            assert_eq!(first.publish(publication, None, &mut cache).await, Ok(()));
        }
        assert_eq!(on_disk(&tables), 4);
        drop((first, cache, tables));
        let tables = open();
        let second = router(&tables, 10, at(15));
        assert_eq!(topics(&second, at(15)), ["a", "c", "d"]);
        settle(&tables.retained()).await;
        assert_eq!(on_disk(&tables), 3);
        drop((second, tables));
        let tables = open();
        let third = router(&tables, 1, at(15));
        assert_eq!(topics(&third, at(15)), ["a"]);
        settle(&tables.retained()).await;
        assert_eq!(on_disk(&tables), 1);
    }
}
