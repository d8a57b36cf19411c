//! Starting a node: data directory, listeners, tables, flows, in this order, so that what is likely to fail fails first
//! and nothing runs before all can.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use broker::{MailboxOptions, OpenAccess, Overflow, Router, RouterOptions, SessionStore, Sessions};
use flow::Catalog;
use store::spool::Spool;
use store::table::{Condition, OpenError, ReadError, Tables};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::logs::{Logs, LogsError};
use super::notify::{Notice, notify};
use super::{Addresses, RunningNode, reachable};
use crate::api::{self, Access, ApiState};
use crate::clock;
use crate::config::{Config, MailboxDrops, is_remote};
use crate::data_dir::{DataDir, DataDirError, random_text};
use crate::destinations::Destinations;
use crate::endpoints::{self, EndpointTable};
use crate::flows::{FlowHost, HostParts};
use crate::http::{HttpServer, Stop};
use crate::library::{FlowFolder, FlowLibrary};
use crate::mqtt::{self, AssignedIds, Gate, IoThreads, Mqtt, MqttFigures, MqttListener, Phase};
use crate::retained::{self, RetainedOnDisk};
use crate::sessions;
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
    Tables(#[from] OpenError),
    #[error(transparent)]
    Logs(#[from] LogsError),
    #[error("cannot read the sessions of MQTT clients: {0}")]
    Sessions(String),
    #[error("cannot open the queues: {0}")]
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
pub async fn start(config: Config) -> Result<RunningNode, StartError> {
    let config = Arc::new(config);
    let data_dir = DataDir::open(&config.data_dir)?;
    let (token, is_first_start) = data_dir.admin_token()?;
    let bound = bind(&config).await?;
    let addresses = bound.addresses;
    let tables = open_tables(data_dir.path())?;

    let logs = Logs::open(data_dir.path())?;
    let router = router(&config, &tables, &logs.spool);
    let destinations = open_destinations(&config, &tables, &logs, &router).await?;
    let store = sessions::store(&config.sessions, &tables, &logs.spool);
    let mqtt = mqtt(&config, &router, &destinations, store);
    // After the queues, so that wills that are due find them.
    restore_sessions(&tables, &logs.spool, &mqtt)?;
    let stores = NodeStores::new(tables.key_values());
    let endpoints = EndpointTable::new();
    let host = FlowHost::start(HostParts {
        router: Arc::clone(&router),
        endpoints: Arc::clone(&endpoints),
        secrets_dir: data_dir.path().join("secrets"),
        stores: Arc::clone(&stores),
    });
    let library = FlowLibrary::new(&tables, host, catalog(), Arc::clone(&config));

    let setup_code = random_text().map_err(DataDirError::Random)?;
    let setup_link = format!("http://{}/#setup={setup_code}", reachable(addresses.web));
    let api = ApiState::new(api::Inner {
        access: Access::new(token, Some(setup_code), clock::moment()),
        config: Arc::clone(&config),
        addresses,
        library: Arc::clone(&library),
        router,
        mqtt: Arc::clone(&mqtt),
        tables,
        destinations,
        ready: AtomicBool::new(false),
    });
    let (stop_sender, stop) = Stop::new();
    let mut listening = JoinSet::new();
    // Before the flows, so that a probe sees the node live while they start.
    listening.spawn(serve_web(bound.web, &api, stop.clone()));
    let mut background = begin_background(&config, &mqtt, &stores);
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
    let endpoints_server = HttpServer { listener: bound.endpoints, name: "endpoints", handle };
    listening.spawn(endpoints_server.run(stop));

    data_dir.write_addresses(&addresses.ready_line())?;
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

/// What goes on by itself from the start on.
fn begin_background(config: &Config, mqtt: &Arc<Mqtt>, stores: &Arc<NodeStores>) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn(mqtt::run_timers(Arc::clone(mqtt)));
    background.spawn(Arc::clone(stores).keep_swept());
    if let Some(interval) = config.sys_interval() {
        background.spawn(tell_system_topics(Arc::clone(mqtt), interval));
    }
    background
}

async fn open_destinations(
    config: &Config,
    tables: &Tables,
    logs: &Logs,
    router: &Arc<Router>,
) -> Result<Arc<Destinations>, StartError> {
    let opened = Destinations::open(tables, &logs.spool, router, &config.queues).await;
    opened.map_err(|error| StartError::Destinations(error.to_string()))
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

fn open_tables(data_dir: &Path) -> Result<Tables, StartError> {
    let (tables, condition) = Tables::open(&data_dir.join("tables.redb"))?;
    match condition {
        Condition::New | Condition::Closed => {}
        Condition::Recovered => tracing::info!("the node was not stopped in order; all that it had confirmed is there"),
        Condition::Repaired => tracing::error!(
            "tables.redb was damaged and went back to its last whole state: what was written after that is lost"
        ),
    }
    Ok(tables)
}

/// A router with the retained messages that are on disk, where their changes go.
fn router(config: &Config, tables: &Tables, spool: &Spool) -> Arc<Router> {
    let router = Router::new(RouterOptions {
        retained_messages_max: config.limits.retained_messages_max,
        retained_bytes_max: config.limits.retained_bytes_max,
        retained_journal: Some(Arc::new(RetainedOnDisk::new(tables.retained()))),
        spool: Some(spool.clone()),
        ..RouterOptions::new(clock::random_u64())
    });
    retained::restore(&tables.retained(), &router, clock::now().wall);
    router
}

/// Takes sessions up again before anyone can publish to them or connect.
fn restore_sessions(tables: &Tables, spool: &Spool, mqtt: &Mqtt) -> Result<(), StartError> {
    let failed = |error: ReadError| StartError::Sessions(error.to_string());
    let found = sessions::found(tables).map_err(failed)?;
    sessions::remove_unknown(tables, spool, &found).map_err(failed)?;
    mqtt.sessions.restore(clock::now(), mqtt.mailbox, found);
    Ok(())
}

fn mqtt(config: &Config, router: &Arc<Router>, destinations: &Arc<Destinations>, store: SessionStore) -> Arc<Mqtt> {
    let limits = &config.limits;
    Arc::new(Mqtt {
        router: Arc::clone(router),
        sessions: Sessions::with_store(router, limits.mqtt_sessions_max, Some(store)),
        access: Arc::new(OpenAccess),
        queues: Arc::clone(destinations) as Arc<dyn mqtt::Queues>,
        settings: ::mqtt::Settings {
            packet_bytes_max: limits.mqtt_packet_bytes_max,
            receive_max: limits.mqtt_receive_max,
            in_flight_max: limits.mqtt_in_flight_max,
            topic_levels_max: limits.mqtt_topic_levels_max,
            topic_bytes_max: limits.mqtt_topic_bytes_max,
            connect_deadline: Duration::from_secs(u64::from(limits.mqtt_connect_deadline_s)),
            ..::mqtt::Settings::default()
        },
        keep_alive_s_max: limits.mqtt_keep_alive_s_max,
        mailbox: MailboxOptions {
            messages_max: limits.mailbox_messages_max,
            bytes_max: limits.mailbox_bytes_max,
            overflow_at_most_once: match limits.mailbox_drops {
                MailboxDrops::New => Overflow::DropWrite,
                MailboxDrops::Oldest => Overflow::DropOldest,
            },
            ..MailboxOptions::for_session()
        },
        connections_max: limits.mqtt_connections_max,
        subscriptions_max: limits.mqtt_subscriptions_per_session_max,
        slow_client_max: config.slow_client_max(),
        assigned_ids: AssignedIds::Random,
        figures: MqttFigures::default(),
    })
}

/// The module types that this program offers.
pub(crate) fn catalog() -> Catalog {
    Catalog::new(&[flow::modules::MODULES, connectors::MODULES])
}

fn serve_web(listener: TcpListener, api: &ApiState, stop: Stop) -> impl Future<Output = ()> + Send + use<> {
    let router = api::router(api);
    let handle = move |_peer, request| api::answer(router.clone(), request);
    HttpServer { listener, name: "web", handle }.run(stop)
}

fn tell_ready(addresses: &Addresses, data_dir: &Path) {
    let Addresses { mqtt, mqtt_ws, web, endpoints } = addresses;
    tracing::info!(%mqtt, %mqtt_ws, %web, %endpoints, data_dir = %data_dir.display(), "the node is ready");
    if is_remote(*web) {
        tracing::warn!(address = %web, "the admin token travels unencrypted: put a TLS proxy before `listeners.web.address`");
    }
}
