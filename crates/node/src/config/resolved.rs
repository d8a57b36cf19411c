//! The resolved configuration: every key with its value. The doc comments become the JSON Schema and the commented
//! example file; the defaults stand here and nowhere else.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use message::{FlowId, QueueName, StreamName, Text, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::destinations::{PolicyWord, QueueSettings, StreamSettings};

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of everything that shall survive a restart; made when missing, used by one node at a time.
    pub data_dir: PathBuf,
    /// A folder of flow files that are deployed at the start and whenever they change.
    pub flows_dir: Option<PathBuf>,
    /// The node as a whole.
    pub node: NodeSettings,
    /// Where the node listens. Port 0 lets the system choose one.
    pub listeners: Listeners,
    /// How much the node takes.
    pub limits: Limits,
    /// Sessions of MQTT clients that outlive their connection.
    pub sessions: SessionSettings,
    /// What the node says about itself, on standard error.
    pub log: Log,
    /// Queues that are made or changed at the start, by name, and only here. One that is left out later stays as it is.
    #[schemars(with = "std::collections::BTreeMap<String, QueueSettings>")]
    pub queues: IndexMap<QueueName, QueueSettings>,
    /// Streams that are made or changed at the start, by name, and only here. One that is left out later stays as it is.
    #[schemars(with = "std::collections::BTreeMap<String, StreamSettings>")]
    pub streams: IndexMap<StreamName, StreamSettings>,
    /// What this node sets differently for a flow, by the flow's id.
    #[schemars(with = "std::collections::BTreeMap<String, FlowOverrides>")]
    pub flows: IndexMap<FlowId, FlowOverrides>,
}

/// The node as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// What people call the node; flows see it as `context.node`.
    pub name: String,
    /// Threads for HTTP and the node itself; MQTT connections and flows have their own. 0 takes one per processor, at
    /// most 2.
    #[schemars(range(min = 0, max = 64))]
    pub threads: u32,
    /// Seconds that flows may take to finish what they hold when the node is told to stop.
    #[schemars(range(min = 0, max = 600))]
    pub drain_deadline_s: u32,
    /// Seconds between two tellings of the broker's figures under `$SYS/broker`; 0: they are not told.
    #[schemars(range(min = 0, max = 86_400))]
    pub sys_interval_s: u32,
}

/// Where the node listens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listeners {
    /// MQTT 3.1.1 and 5.0.
    pub mqtt: MqttListener,
    /// The same over WebSocket, for web pages and for networks that let only HTTP through.
    pub mqtt_ws: MqttWebSocketListener,
    /// API, metrics and status page.
    pub web: WebListener,
    /// The HTTP endpoints that flows open.
    pub endpoints: EndpointsListener,
}

/// The listener for MQTT clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MqttListener {
    /// IP address and port.
    #[serde(deserialize_with = "listen_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Says in words that anyone who reaches an address off loopback may publish and subscribe.
    pub allow_anonymous_remote: bool,
}

/// The listener for MQTT clients over WebSocket, at the path `/mqtt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MqttWebSocketListener {
    /// IP address and port.
    #[serde(deserialize_with = "listen_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Says in words that anyone who reaches an address off loopback may publish and subscribe.
    pub allow_anonymous_remote: bool,
    /// Origins of web pages that may connect, as in `https://dashboard.example`, beside pages that come from this
    /// machine's own addresses, `localhost` and `listeners.web.host_names`. Others are refused, so that a foreign page
    /// cannot reach the node through someone's browser.
    pub allowed_origins: Vec<String>,
}

/// The listener for people, scripts and dashboards. All but the status page, `/livez`, `/readyz` and `/version` asks for
/// the admin token; `/metrics` does so only when the address is off loopback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebListener {
    /// IP address and port.
    #[serde(deserialize_with = "listen_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Names by which browsers reach the node, beside IP addresses and `localhost`. Others are refused, so that a
    /// foreign page cannot reach the node by a name of its own.
    pub host_names: Vec<String>,
}

/// The listener for the HTTP endpoints that flows open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointsListener {
    /// IP address and port.
    #[serde(deserialize_with = "listen_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Says in words that anyone who reaches an address off loopback may call the endpoints of flows.
    pub allow_anonymous_remote: bool,
    /// Names by which the node is called, beside IP addresses and `localhost`, while the address is on loopback. Others
    /// are refused, so that a foreign page cannot reach a flow by a name of its own.
    pub host_names: Vec<String>,
}

/// How much the node takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of the largest MQTT packet.
    #[schemars(range(min = 1024, max = 268_435_455))]
    pub mqtt_packet_bytes_max: usize,
    /// Seconds of keep alive that an MQTT 5.0 client may ask for at most; one that asks for more, or for none, is told
    /// to use this. 65535: whatever the client asks for.
    #[schemars(range(min = 1, max = 65_535))]
    pub mqtt_keep_alive_s_max: u16,
    /// MQTT connections at one time; more are closed at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub mqtt_connections_max: usize,
    /// MQTT sessions, connected or not; a client that would be one more is refused.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub mqtt_sessions_max: usize,
    /// Subscriptions of one MQTT session; more are refused.
    #[schemars(range(min = 1, max = 10_000))]
    pub mqtt_subscriptions_per_session_max: usize,
    /// Seconds that a client may take from connecting to being accepted.
    #[schemars(range(min = 1, max = 600))]
    pub mqtt_connect_deadline_s: u32,
    /// Messages of QoS 1 and 2 that a client may have under way to the node, unacknowledged.
    #[schemars(range(min = 1, max = 65_535))]
    pub mqtt_receive_max: u16,
    /// Messages of QoS 1 and 2 that the node has under way to one client, unacknowledged, if that allows more.
    #[schemars(range(min = 1, max = 65_535))]
    pub mqtt_in_flight_max: u16,
    /// Levels of a topic or topic filter of an MQTT client.
    #[schemars(range(min = 1, max = 200))]
    pub mqtt_topic_levels_max: usize,
    /// Bytes of a topic or topic filter of an MQTT client.
    #[schemars(range(min = 1, max = 65_535))]
    pub mqtt_topic_bytes_max: usize,
    /// Retained messages that the node keeps; one more is forwarded, but not kept.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub retained_messages_max: usize,
    /// Bytes of retained messages that the node keeps.
    #[schemars(range(min = 0, max = 17_179_869_184_u64))]
    pub retained_bytes_max: usize,
    /// Messages that wait for one MQTT client.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub mailbox_messages_max: usize,
    /// Bytes that wait for one MQTT client.
    #[schemars(range(min = 65_536, max = 17_179_869_184_u64))]
    pub mailbox_bytes_max: usize,
    /// What gives way when a message with QoS 0 finds that as much waits for an MQTT client as may: `new`, that message, or
    /// `oldest`, those that wait longest.
    pub mailbox_drops: MailboxDrops,
    /// Seconds that messages for a connected MQTT client may go on being dropped before it is disconnected; 0: for ever.
    #[schemars(range(min = 0, max = 86_400))]
    pub mqtt_slow_client_s_max: u32,
}

/// What gives way in a full mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailboxDrops {
    #[default]
    New,
    Oldest,
}

/// Sessions of MQTT clients that outlive their connection: what waits for them is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Messages that wait for one session.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub backlog_messages_max: u64,
    /// Bytes of topics and payloads that wait for one session.
    #[schemars(range(min = 65_536, max = 1_099_511_627_776_u64))]
    pub backlog_bytes_max: u64,
    /// What happens when as much waits as may: `drop-oldest`, `drop-newest`, `keep-last` of each topic, or `refuse`,
    /// which tells the publisher.
    pub backlog_full: PolicyWord,
    /// When a message counts as safe: `fsync` when the disk has it, `os` when the operating system has.
    pub durability: SessionDurability,
}

/// How safe a message for a session is when its publisher is told that it was taken. There is no `memory`: such a session ends
/// with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionDurability {
    #[default]
    Fsync,
    Os,
}

impl From<SessionDurability> for store::Durability {
    fn from(word: SessionDurability) -> Self {
        match word {
            SessionDurability::Fsync => Self::Fsync,
            SessionDurability::Os => Self::Os,
        }
    }
}

/// What the node says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; also per part of the node, as in `info,node::mqtt=debug`.
    pub level: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What a node sets differently for one flow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowOverrides {
    /// Values of the flow's parameters, by name.
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub parameters: IndexMap<Text, serde_json::Value>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            flows_dir: None,
            node: NodeSettings::default(),
            listeners: Listeners::default(),
            limits: Limits::default(),
            sessions: SessionSettings::default(),
            log: Log::default(),
            queues: IndexMap::new(),
            streams: IndexMap::new(),
            flows: IndexMap::new(),
        }
    }
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { name: "headwater".to_owned(), threads: 0, drain_deadline_s: 10, sys_interval_s: 10 }
    }
}

impl Default for MqttListener {
    fn default() -> Self {
        Self { address: loopback(1883), allow_anonymous_remote: false }
    }
}

impl Default for MqttWebSocketListener {
    fn default() -> Self {
        Self { address: loopback(8083), allow_anonymous_remote: false, allowed_origins: Vec::new() }
    }
}

impl Default for WebListener {
    fn default() -> Self {
        Self { address: loopback(8080), host_names: Vec::new() }
    }
}

impl Default for EndpointsListener {
    fn default() -> Self {
        Self { address: loopback(9090), allow_anonymous_remote: false, host_names: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mqtt_packet_bytes_max: limits::MQTT_PACKET_BYTES_MAX,
            mqtt_keep_alive_s_max: u16::MAX,
            mqtt_connections_max: limits::MQTT_CONNECTIONS_MAX,
            mqtt_sessions_max: limits::SESSIONS_MAX,
            mqtt_subscriptions_per_session_max: limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX,
            mqtt_connect_deadline_s: 10,
            mqtt_receive_max: limits::MQTT_RECEIVE_MAX,
            mqtt_in_flight_max: limits::MQTT_IN_FLIGHT_MAX,
            mqtt_topic_levels_max: limits::TOPIC_LEVELS_MAX,
            mqtt_topic_bytes_max: limits::TOPIC_BYTES_MAX,
            retained_messages_max: limits::RETAINED_MESSAGES_MAX,
            retained_bytes_max: limits::RETAINED_BYTES_MAX,
            mailbox_messages_max: limits::MAILBOX_MESSAGES_MAX,
            mailbox_bytes_max: limits::MAILBOX_BYTES_MAX,
            mailbox_drops: MailboxDrops::New,
            mqtt_slow_client_s_max: 0,
        }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            backlog_messages_max: limits::SESSION_BACKLOG_MESSAGES_MAX,
            backlog_bytes_max: limits::SESSION_BACKLOG_BYTES_MAX,
            backlog_full: PolicyWord::DropOldest,
            durability: SessionDurability::Fsync,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Config {
    /// Threads for HTTP and the node itself, with 0 resolved for a machine with this many processors.
    pub fn threads_on(&self, processors: usize) -> usize {
        match self.node.threads {
            0 => processors.clamp(1, 2),
            threads => threads as usize,
        }
    }

    /// The span between two tellings of the broker's figures; `None`: they are not told.
    pub fn sys_interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(u64::from(self.node.sys_interval_s))).filter(|interval| !interval.is_zero())
    }

    /// How long messages for a client may go on being dropped; `None` for ever.
    pub fn slow_client_max(&self) -> Option<Duration> {
        let seconds = u64::from(self.limits.mqtt_slow_client_s_max);
        Some(Duration::from_secs(seconds)).filter(|span| !span.is_zero())
    }

    /// How long flows may take to finish what they hold when the node is told to stop.
    pub fn drain_deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.node.drain_deadline_s))
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn listen_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format_args!(
            "`{text}` is no address to listen on: write IP:PORT, as in 127.0.0.1:1883, 0.0.0.0:1883 or [::1]:1883"
        ))
    })
}
