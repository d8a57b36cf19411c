//! Says once, and at once, that a log or the tables take nothing more: from then on what needs them is refused until the
//! node is started again, and someone has to look at the disk. What is still failed is asked by `/readyz` and the API. And says
//! when a disk is full, and when there is room again.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::spool::Spool;
use store::table::Tables;
use tokio::task::JoinSet;

use super::Addresses;
use crate::api::ApiState;
use crate::data_dir::DataDir;

/// How often it is asked whether there was room on the disk.
const ROOM_ASKED_EVERY: Duration = Duration::from_secs(1);
/// Without a want of room for so many times, there is room again.
const ROOM_ASKED_FREE: u32 = 10;
/// How long a file that found no room is not tried again.
const WRITTEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Waits for the failure of the tables and of the spool, until it is cancelled. Streams say theirs themselves.
pub(super) async fn tell_failures(tables: Tables, spool: Spool) {
    let of_tables = async {
        let error = poll_fn(|context| tables.poll_failure(context.waker())).await;
        tracing::error!(%error, "sessions, queues, streams, flows and stores cannot be changed until the node is started again");
    };
    let of_spool = async {
        let error = poll_fn(|context| spool.poll_failure(context.waker())).await;
        tracing::error!(%error, "what is for sessions and queues is refused until the node is started again");
    };
    tokio::join!(of_tables, of_spool);
}

/// Says when what is to be kept is refused as the disk has no room for it, and when there is room again, until it is
/// cancelled. Without messages that are to be kept nobody knows.
pub(super) async fn tell_full_disk(api: ApiState) {
    let mut before = 0;
    let mut free_for = ROOM_ASKED_FREE;
    loop {
        tokio::time::sleep(ROOM_ASKED_EVERY).await;
        let (of_spool, free_bytes) = api.spool.shortages();
        let shortages = of_spool + api.destinations.stream_shortages();
        if shortages > before {
            if !api.disk_is_full.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    free_bytes,
                    "the disk is full: what is to be kept on it is refused until there is room"
                );
            }
            free_for = 0;
        } else {
            free_for = free_for.saturating_add(1);
            if free_for == ROOM_ASKED_FREE && api.disk_is_full.swap(false, Ordering::Relaxed) {
                tracing::info!("nothing was refused for want of room on the disk lately");
            }
        }
        // Less than before when a stream was removed.
        before = shortages;
    }
}

/// Writes down where the node listens, now or later: a disk that is full is no reason not to serve, as it gets room by being
/// served.
pub(super) fn write_addresses(data_dir: &Arc<DataDir>, addresses: Addresses, background: &mut JoinSet<()>) {
    let Err(error) = data_dir.write_addresses(&addresses.ready_line()) else { return };
    tracing::warn!(%error, "until it can be written, the command line finds the node by its configuration alone");
    let data_dir = Arc::clone(data_dir);
    background.spawn(async move {
        loop {
            tokio::time::sleep(WRITTEN_AGAIN_AFTER).await;
            if data_dir.write_addresses(&addresses.ready_line()).is_ok() {
                return;
            }
        }
    });
}
