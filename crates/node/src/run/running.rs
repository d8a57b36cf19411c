//! A running node, and how it ends.

use std::sync::Arc;

use message::limits;
use store::table::Tables;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::Addresses;
use super::logs::Logs;
use super::notify::{Notice, notify};
use crate::api::ApiState;
use crate::clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::mqtt::Phase;
use crate::retained;

/// A node that runs until it is told to stop.
#[derive(Debug)]
pub struct RunningNode {
    pub(super) addresses: Addresses,
    pub(super) setup_link: String,
    pub(super) is_first_start: bool,
    pub(super) config: Arc<Config>,
    pub(super) api: ApiState,
    pub(super) stop_sender: watch::Sender<bool>,
    /// The HTTP listeners: they end by themselves when told to stop.
    pub(super) listening: JoinSet<()>,
    /// Tells the MQTT clients how far the node is on its way to its end.
    pub(super) mqtt_phase: watch::Sender<Phase>,
    pub(super) mqtt_served: JoinHandle<()>,
    /// What goes on until the node is gone.
    pub(super) background: JoinSet<()>,
    /// Written to the end when the node is gone.
    pub(super) logs: Logs,
    pub(super) data_dir: Arc<DataDir>,
}

impl RunningNode {
    /// Where the node listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// A link that opens the status page with the token: good once, within an hour of the start.
    pub fn setup_link(&self) -> &str {
        &self.setup_link
    }

    /// Whether the data directory was new.
    pub fn is_first_start(&self) -> bool {
        self.is_first_start
    }

    /// Takes nothing new, lets flows end what they have begun within the deadline, gives MQTT clients what flows have
    /// published for them, and closes everything.
    pub async fn stop(mut self) {
        notify(Notice::Stopping);
        tracing::info!("the node stops");
        self.api.set_ready(false);
        self.data_dir.remove_addresses();
        // The flows go on meanwhile: they owe answers to those who are connected.
        self.mqtt_phase.send_replace(Phase::Draining);
        self.stop_sender.send_replace(true);
        while self.listening.join_next().await.is_some() {}
        let drained = tokio::time::timeout(self.config.drain_deadline(), self.api.library.shut_down()).await;
        if drained.is_err() {
            tracing::warn!(deadline_s = self.config.node.drain_deadline_s, "flows had not ended what they began");
        }
        self.mqtt_phase.send_replace(Phase::Closing);
        if let Err(error) = self.mqtt_served.await {
            tracing::error!(%error, "the MQTT listener broke down");
        }
        self.background.shutdown().await;
        // They may have been written late.
        self.data_dir.remove_addresses();
        self.api.destinations.save_cursors().await;
        // What says that a will was sent is written behind it.
        let _ = in_time(self.logs.settle()).await;
        self.api.mqtt.sessions.note_sent_wills(clock::moment());
        settle(&self.api.tables, &self.logs).await;
        self.logs.close();
        tracing::info!("the node has stopped");
    }
}

/// Waits until all that was accepted is on disk, acknowledged or not, and says what is not. A disk that is full or broken
/// does not keep the node from stopping.
async fn settle(tables: &Tables, logs: &Logs) {
    let of_retained = tables.retained();
    let (records, retained, messages) =
        tokio::join!(in_time(tables.settled()), in_time(retained::settle(&of_retained)), in_time(logs.settle()));
    match records {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::error!(%error, "changes of sessions, subscriptions or queues are not on disk"),
        None => tracing::error!("the last changes of sessions, subscriptions or queues are not on disk"),
    }
    if retained.is_none() {
        tracing::error!("the last retained messages are not on disk");
    }
    match messages {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::error!(%error, "the last messages for sessions and queues are not on disk"),
        None => tracing::error!("the last messages for sessions and queues are not on disk"),
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limits::LAST_WRITES_MAX, work).await.ok()
}
