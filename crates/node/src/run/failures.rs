//! Says once, and at once, that a log or the tables take nothing more: from then on what needs them is refused until the
//! node is started again, and someone has to look at the disk. What is still failed is asked by `/readyz` and the API.

use std::future::poll_fn;

use store::spool::Spool;
use store::table::Tables;

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
