//! What all else in a node stands on: the tables and logs in its data directory, and the broker with what it had there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker::{MailboxOptions, OpenAccess, Overflow, RestoredSession, Router, RouterOptions, SessionStore, Sessions};
use store::spool::Spool;
use store::table::{Condition, ReadError, Tables};

use super::StartError;
use super::logs::Logs;
use crate::clock;
use crate::config::{Config, MailboxDrops};
use crate::destinations::{Destinations, Wanted};
use crate::mqtt::{AssignedIds, Mqtt, MqttFigures, Queues, Streams};
use crate::retained::{self, RetainedOnDisk};
use crate::unknown::{self, Unknown};
use crate::{removed, sessions};

/// The ground of one node.
pub(super) struct Ground {
    pub(super) tables: Tables,
    pub(super) logs: Logs,
    pub(super) router: Arc<Router>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) mqtt: Arc<Mqtt>,
    pub(super) unknown: Unknown,
}

impl Ground {
    pub(super) async fn lay(config: &Config, data_dir: &Path) -> Result<Self, StartError> {
        let tables = open_tables(data_dir)?;
        let logs = Logs::open(data_dir)?;
        let streams = logs.of_streams();
        let failed = |error: ReadError| StartError::Tables(error.to_string());
        removed::finish(&tables, &logs.spool, &streams).map_err(failed)?;
        unknown::go_beyond(&tables, logs.highest_destination, &streams);
        let (mut unknown, forgotten) = unknown::restore(&tables, &logs.spool, &streams).await.map_err(failed)?;
        let restored = forgotten.iter().map(|session| session.destination).collect();
        unknown::report(&tables, &logs.spool, &streams, &restored, &mut unknown).map_err(failed)?;
        let router = router(config, &tables, &logs.spool);
        let destinations = open_destinations(config, &tables, &logs, &router).await?;
        let store = sessions::store(&config.sessions, &tables, &logs.spool);
        let mqtt = mqtt(config, &router, &destinations, store);
        // After the queues, so that wills that are due find them.
        restore_sessions(&tables, &logs.spool, &mqtt, forgotten)?;
        Ok(Self { tables, logs, router, destinations, mqtt, unknown })
    }
}

async fn open_destinations(
    config: &Config,
    tables: &Tables,
    logs: &Logs,
    router: &Arc<Router>,
) -> Result<Arc<Destinations>, StartError> {
    let wanted = Wanted { queues: &config.queues, streams: &config.streams };
    let opened = Destinations::open(tables, &logs.spool, logs.of_streams(), router, wanted).await;
    opened.map_err(|error| StartError::Destinations(error.to_string()))
}

fn open_tables(data_dir: &Path) -> Result<Tables, StartError> {
    let (tables, condition) = Tables::open_always(&data_dir.join("tables.redb"), clock::now().wall)?;
    match condition {
        Condition::New | Condition::Closed => {}
        Condition::Recovered => tracing::info!("the node was not stopped in order; all that it had confirmed is there"),
        Condition::Repaired => tracing::error!(
            "tables.redb was damaged and went back to its last whole state: what was written after that is lost"
        ),
        Condition::Begun { aside, what } => tracing::error!(
            aside = %aside.display(),
            "tables.redb was damaged beyond repair ({what}) and is set aside; the node begins with new tables: flows, retained \
             messages, stores and subscriptions are lost unless a copy of tables.redb is put back"
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
    retained::restore(&tables.retained(), spool, &router, clock::now().wall);
    router
}

/// Takes sessions up again before anyone can publish to them or connect, also those that the tables have forgotten.
fn restore_sessions(
    tables: &Tables,
    spool: &Spool,
    mqtt: &Mqtt,
    forgotten: Vec<RestoredSession>,
) -> Result<(), StartError> {
    let mut found = sessions::found(tables).map_err(|error| StartError::Sessions(error.to_string()))?;
    sessions::join(&mut found, forgotten);
    let labels: Vec<_> = found.iter().map(|session| (session.destination, sessions::label(session))).collect();
    mqtt.sessions.restore(clock::now(), mqtt.mailbox, found);
    // Those of earlier versions have none.
    labels.iter().for_each(|(destination, label)| spool.set_label(*destination, label));
    Ok(())
}

fn mqtt(config: &Config, router: &Arc<Router>, destinations: &Arc<Destinations>, store: SessionStore) -> Arc<Mqtt> {
    let limits = &config.limits;
    Arc::new(Mqtt {
        router: Arc::clone(router),
        sessions: Sessions::with_store(router, limits.mqtt_sessions_max, Some(store)),
        access: Arc::new(OpenAccess),
        queues: Arc::clone(destinations) as Arc<dyn Queues>,
        streams: Arc::clone(destinations) as Arc<dyn Streams>,
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
