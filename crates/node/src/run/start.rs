//! Starting a node: data directory, listeners, tables, flows, in this order, so that what is likely to fail fails first
//! and nothing runs before all can.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use broker::Router;
use flow::Catalog;
use store::table::{OpenError, Tables};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::failures::{tell_failures, tell_full_disk, write_addresses};
use super::ground::Ground;
use super::logs::{Logs, LogsError, keep_small, keep_young};
use super::notify::{Notice, notify};
use super::open_files::Places;
use super::{Addresses, RunningNode, memory, reachable};
use crate::api::{self, Access, ApiState};
use crate::clock;
use crate::config::{Config, is_remote};
use crate::data_dir::{DataDir, DataDirError, random_text};
use crate::destinations::Destinations;
use crate::endpoints::{self, EndpointTable};
use crate::flows::{FlowHost, HostParts};
use crate::http::{EventStreams, HttpServer, Stop};
use crate::library::{FlowFolder, FlowLibrary};
use crate::mqtt::{self, Gate, IoThreads, Mqtt, MqttListener, Phase};
use crate::removed;
use crate::stores::NodeStores;
use crate::system_topics::tell_system_topics;

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
    #[error(transparent)]
    OpenTables(#[from] OpenError),
    #[error("cannot read the tables: {0}")]
    Tables(String),
    #[error(transparent)]
    Logs(#[from] LogsError),
    #[error("cannot read the sessions of MQTT clients: {0}")]
    Sessions(String),
    #[error("cannot open the queues and streams: {0}")]
    Destinations(String),
    #[error("the system gives no threads for MQTT connections: {0}")]
    Threads(io::Error),
    #[error("cannot read the flows that were deployed: {0}")]
    Flows(String),
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not (ports below 1024 need a right of their own)".to_owned(),
        _ => error.to_string(),
    }
}

/// The listeners, bound and not yet served.
struct Bound {
    mqtt: Vec<MqttListener>,
    web: TcpListener,
    endpoints: TcpListener,
    addresses: Addresses,
}

/// Starts a node. It is ready when this returns.
pub async fn start(mut config: Config) -> Result<RunningNode, StartError> {
    let connections_max = Places::within_limit(&mut config.limits.mqtt_connections_max).http;
    let config = Arc::new(config);
    let data_dir = Arc::new(DataDir::open(&config.data_dir)?);
    let (token, is_first_start) = data_dir.admin_token()?;
    let bound = bind(&config).await?;
    let addresses = bound.addresses;
    let Ground { tables, logs, router, destinations, mqtt, unknown } = Ground::lay(&config, data_dir.path()).await?;
    let stores = NodeStores::new(tables.key_values());
    let endpoints = EndpointTable::new();
    let host = FlowHost::start(host_parts(&router, &endpoints, data_dir.path(), &stores, &destinations));
    let library = FlowLibrary::new(&tables, host, catalog(), Arc::clone(&config));

    let setup_code = random_text().map_err(DataDirError::Random)?;
    let setup_link = format!("http://{}/#setup={setup_code}", reachable(addresses.web));
    let (stop_sender, stop) = Stop::new();
    let api = ApiState::new(api::Inner {
        access: Access::new(token, Some(setup_code), clock::moment()),
        config: Arc::clone(&config),
        addresses,
        library: Arc::clone(&library),
        router,
        mqtt: Arc::clone(&mqtt),
        tables,
        spool: logs.spool.clone(),
        destinations,
        unknown,
        event_streams: EventStreams::new(stop.clone()),
        disk_is_full: AtomicBool::new(false),
        ready: AtomicBool::new(false),
    });
    let mut listening = JoinSet::new();
    // Before the flows, so that a probe sees the node live while they start.
    listening.spawn(serve_web(bound.web, connections_max, &api, stop.clone()));
    let mut background = begin_background(&config, &mqtt, &stores, &api.tables, &logs, &api.destinations);
    background.spawn(tell_failures(api.tables.clone(), api.spool.clone()));
    background.spawn(tell_full_disk(api.clone()));
    library.restore().await.map_err(|error| StartError::Flows(error.to_string()))?;
    if let Some(folder) = &config.flows_dir {
        let mut folder = FlowFolder::new(folder.clone(), Arc::clone(&library));
        folder.deploy_all().await;
        background.spawn(folder.watch());
    }
    // After the flows, so that the first message of a client finds them.
    let io_threads = IoThreads::start(IoThreads::default_count()).map_err(StartError::Threads)?;
    let (mqtt_phase, phases) = watch::channel(Phase::Serving);
    let mqtt_served = tokio::spawn(mqtt::serve(mqtt, bound.mqtt, io_threads, phases));
    let host_names = (!is_remote(addresses.endpoints)).then(|| config.listeners.endpoints.host_names.clone());
    let handle = endpoints::handler(endpoints, host_names);
    let endpoints_server = HttpServer { listener: bound.endpoints, name: "endpoints", connections_max, handle };
    listening.spawn(endpoints_server.run(stop));

    memory::give_back();
    write_addresses(&data_dir, addresses, &mut background);
    api.set_ready(true);
    notify(Notice::Ready);
    tell_ready(&addresses, data_dir.path());
    Ok(RunningNode {
        addresses,
        setup_link,
        is_first_start,
        config,
        api,
        stop_sender,
        listening,
        mqtt_phase,
        mqtt_served,
        background,
        logs,
        data_dir,
    })
}

/// What flows get from the node.
fn host_parts(
    router: &Arc<Router>,
    endpoints: &Arc<EndpointTable>,
    data_dir: &Path,
    stores: &Arc<NodeStores>,
    destinations: &Arc<Destinations>,
) -> HostParts {
    HostParts {
        router: Arc::clone(router),
        endpoints: Arc::clone(endpoints),
        secrets_dir: data_dir.join("secrets"),
        stores: Arc::clone(stores),
        destinations: Arc::clone(destinations),
    }
}

/// What goes on by itself from the start on.
fn begin_background(
    config: &Config,
    mqtt: &Arc<Mqtt>,
    stores: &Arc<NodeStores>,
    tables: &Tables,
    logs: &Logs,
    destinations: &Arc<Destinations>,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn(keep_small(logs.spool.clone()));
    background.spawn(keep_young(logs.spool.clone(), Arc::clone(destinations)));
    background.spawn(removed::keep_tidy(tables.clone(), logs.spool.clone(), logs.of_streams()));
    background.spawn(mqtt::run_timers(Arc::clone(mqtt)));
    background.spawn(Arc::clone(stores).keep_swept());
    if let Some(interval) = config.sys_interval() {
        background.spawn(tell_system_topics(Arc::clone(mqtt), interval));
    }
    background
}

async fn bind(config: &Config) -> Result<Bound, StartError> {
    let listeners = &config.listeners;
    let (mqtt, mqtt_address) = listen("listeners.mqtt.address", listeners.mqtt.address).await?;
    let (mqtt_ws, mqtt_ws_address) = listen("listeners.mqtt_ws.address", listeners.mqtt_ws.address).await?;
    let (web, web_address) = listen("listeners.web.address", listeners.web.address).await?;
    let (endpoints, endpoints_address) = listen("listeners.endpoints.address", listeners.endpoints.address).await?;
    let addresses =
        Addresses { mqtt: mqtt_address, mqtt_ws: mqtt_ws_address, web: web_address, endpoints: endpoints_address };
    let gate = Gate::new(listeners.mqtt_ws.allowed_origins.clone(), listeners.web.host_names.clone());
    let mqtt = vec![MqttListener::plain(mqtt), MqttListener::web_socket(mqtt_ws, gate)];
    Ok(Bound { mqtt, web, endpoints, addresses })
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { key, address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

/// The module types that this program offers.
pub(crate) fn catalog() -> Catalog {
    Catalog::new(&[flow::modules::MODULES, connectors::MODULES])
}

fn serve_web(
    listener: TcpListener,
    connections_max: usize,
    api: &ApiState,
    stop: Stop,
) -> impl Future<Output = ()> + Send + use<> {
    let router = api::router(api);
    let handle = move |_peer, request| api::answer(router.clone(), request);
    HttpServer { listener, name: "web", connections_max, handle }.run(stop)
}

fn tell_ready(addresses: &Addresses, data_dir: &Path) {
    let Addresses { mqtt, mqtt_ws, web, endpoints } = addresses;
    tracing::info!(%mqtt, %mqtt_ws, %web, %endpoints, data_dir = %data_dir.display(), "the node is ready");
    if is_remote(*web) {
        tracing::warn!(address = %web, "the admin token travels unencrypted: put a TLS proxy before `listeners.web.address`");
    }
}
