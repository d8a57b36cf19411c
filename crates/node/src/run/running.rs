//! A running node, and how it ends.

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Addresses;
use super::notify::{Notice, notify};
use crate::api::ApiState;
use crate::data_dir::DataDir;

/// A node that runs until it is told to stop.
#[derive(Debug)]
pub struct RunningNode {
    pub(super) addresses: Addresses,
    pub(super) setup_link: String,
    pub(super) is_first_start: bool,
    pub(super) api: ApiState,
    pub(super) stop_sender: watch::Sender<bool>,
    pub(super) tasks: JoinSet<()>,
    pub(super) data_dir: DataDir,
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

    /// Takes nothing new, lets what is under way end within the deadline, and closes everything.
    pub async fn stop(mut self) {
        notify(Notice::Stopping);
        tracing::info!("the node stops");
        self.api.set_ready(false);
        self.data_dir.remove_addresses();
        self.stop_sender.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        tracing::info!("the node has stopped");
    }
}
