//! Starting a node: data directory, listeners, stores, flows, in this order, so that what is likely to fail fails first
//! and nothing runs before all can.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::notify::{Notice, notify};
use super::{Addresses, RunningNode, reachable};
use crate::api::{self, Access, ApiState};
use crate::clock;
use crate::config::{Config, is_remote};
use crate::data_dir::{DataDir, DataDirError, random_text};
use crate::http::{HttpServer, Stop};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(
        "cannot listen on {address}: {}; set `{key}` to a free address of this machine, or to port 0 for any",
        reason(source)
    )]
    Listen { key: &'static str, address: SocketAddr, source: io::Error },
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not (ports below 1024 need a right of their own)".to_owned(),
        _ => error.to_string(),
    }
}

/// Starts a node. It is ready when this returns.
pub async fn start(config: Config) -> Result<RunningNode, StartError> {
    let config = Arc::new(config);
    let data_dir = DataDir::open(&config.data_dir)?;
    let (token, is_first_start) = data_dir.admin_token()?;
    let listeners = &config.listeners;
    let (mqtt_listener, mqtt) = listen("listeners.mqtt.address", listeners.mqtt.address).await?;
    let (web_listener, web) = listen("listeners.web.address", listeners.web.address).await?;
    let (endpoints_listener, endpoints) = listen("listeners.endpoints.address", listeners.endpoints.address).await?;
    let addresses = Addresses { mqtt, web, endpoints };
    warn_of_clear_text(web);

    let setup_code = random_text().map_err(DataDirError::Random)?;
    let setup_link = format!("http://{}/#setup={setup_code}", reachable(web));
    let (stop_sender, stop) = Stop::new();
    let mut tasks = JoinSet::new();
    let api = ApiState::new(api::Inner {
        access: Access::new(token, Some(setup_code), clock::moment()),
        config: Arc::clone(&config),
        addresses,
        ready: AtomicBool::new(false),
    });
    let router = api::router(&api);
    let handle = move |peer, request| api::answer(router.clone(), peer, request);
    tasks.spawn(HttpServer { listener: web_listener, name: "web", handle }.run(stop));
    drop((mqtt_listener, endpoints_listener));

    data_dir.write_addresses(&addresses.ready_line())?;
    api.set_ready(true);
    notify(Notice::Ready);
    tracing::info!(%mqtt, %web, %endpoints, data_dir = %data_dir.path().display(), "the node is ready");
    Ok(RunningNode { addresses, setup_link, is_first_start, api, stop_sender, tasks, data_dir })
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { key, address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

fn warn_of_clear_text(web: SocketAddr) {
    if is_remote(web) {
        tracing::warn!(address = %web, "the admin token travels unencrypted: put a TLS proxy before `listeners.web.address`");
    }
}
