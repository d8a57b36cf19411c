//! Every limit of the node, in one place: the unit stands last in the name, the reason beside the number.
//! Those that a person may set in the configuration stand here with their default.

use std::time::Duration;

// --- Topics -------------------------------------------------------------------------------------------------------

/// MQTT writes the length of a text in two bytes.
pub const TOPIC_BYTES_MAX: usize = 65_535;
/// Matching walks level by level: this bounds the walk. Unified namespaces use ten.
pub const TOPIC_LEVELS_MAX: usize = 200;

// --- Identifiers --------------------------------------------------------------------------------------------------

/// Ids stand in file names and metric labels: short is kind.
pub const ID_BYTES_MAX: usize = 64;
/// MQTT writes the length of a text in two bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 65_535;

// --- Values -------------------------------------------------------------------------------------------------------

/// Nesting of arrays and objects. Reading and writing recurse: this keeps them far from the end of a 256 KiB stack.
pub const VALUE_DEPTH_MAX: usize = 128;
/// Above this many members an object keeps an index; below, a scan over the keys is faster.
pub const OBJECT_SCAN_MAX: usize = 16;
/// A body or payload of JSON that is turned into a value: 16 MiB of text make about 200 MiB of values at worst.
pub const JSON_BYTES_MAX: usize = 16 * 1024 * 1024;

// --- MQTT ---------------------------------------------------------------------------------------------------------

/// The largest packet that the node takes, unless configured: room for a firmware image in parts or a camera frame.
pub const MQTT_PACKET_BYTES_MAX: usize = 1024 * 1024;
/// How long a new connection may take to send its CONNECT.
pub const MQTT_CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Unacknowledged QoS 1 and 2 messages that a client may have under way to the node (its Receive Maximum).
pub const MQTT_RECEIVE_MAX: u16 = 1024;
/// Unacknowledged QoS 1 and 2 messages that the node has under way to one client, if that allows more.
pub const MQTT_IN_FLIGHT_MAX: u16 = 1024;
/// Topic aliases that a client may use towards the node: each holds one topic in memory.
pub const MQTT_TOPIC_ALIAS_MAX: u16 = 64;
/// Subscriptions of one session.
pub const MQTT_SUBSCRIPTIONS_PER_SESSION_MAX: usize = 10_000;
/// User properties in one packet: more is an attack on memory, as each costs an allocation.
pub const MQTT_USER_PROPERTIES_MAX: usize = 256;
/// Events of one connection that wait for the driver: reading goes on when it has taken them.
pub const MQTT_EVENTS_QUEUED_MAX: usize = 64;
/// SUBSCRIBE and UNSUBSCRIBE of one connection that wait for their answer: reading goes on when they have it.
pub const MQTT_REQUESTS_PENDING_MAX: usize = 64;
/// Unsent bytes of one connection above which deliveries wait in their mailbox, where they are counted and limited.
pub const MQTT_TRANSMIT_DELIVERIES_BYTES_MAX: usize = 64 * 1024;
/// Unsent bytes of one connection above which its packets are not read: a client that pings and never reads stops
/// here. It leaves room for the largest delivery, so that a slow reader can still acknowledge.
pub const MQTT_TRANSMIT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Topics that a connection remembers, inbound and outbound each, to know a repeated one again: a power of two.
pub const MQTT_TOPICS_REMEMBERED: usize = 64;

// --- Broker -------------------------------------------------------------------------------------------------------

/// Messages that wait for one subscriber, unless configured. Mosquitto's default is 1,000; flows restart in seconds
/// and shall find what came in meanwhile.
pub const MAILBOX_MESSAGES_MAX: usize = 100_000;
/// Bytes that wait for one subscriber, unless configured.
pub const MAILBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Messages that a mailbox takes beyond its limit while its publishers are asked to wait: one read batch of each.
pub const MAILBOX_OVERSHOOT_MESSAGES_MAX: usize = 65_536;
/// Bytes that a mailbox takes beyond its limit while its publishers are asked to wait.
pub const MAILBOX_OVERSHOOT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Topics whose routes one publisher keeps: a gateway's tags, at about 150 bytes each.
pub const ROUTE_CACHE_TOPICS_MAX: usize = 1024;
/// Subscribers in all routes that one publisher keeps, at about 50 bytes each.
pub const ROUTE_CACHE_TARGETS_MAX: usize = 65_536;
/// Up to here a message that is kept long is copied, so that it does not keep a whole read buffer alive.
pub const DETACH_BYTES_MAX: usize = 16 * 1024;
/// Sessions that the node keeps, connected or not.
pub const SESSIONS_MAX: usize = 100_000;
/// Retained messages that the node keeps.
pub const RETAINED_MESSAGES_MAX: usize = 100_000;
/// Bytes of retained messages that the node keeps.
pub const RETAINED_BYTES_MAX: usize = 256 * 1024 * 1024;

// --- Flows --------------------------------------------------------------------------------------------------------

/// Flows of one node: each has a thread of its own.
pub const FLOWS_MAX: usize = 500;
/// Modules of one flow.
pub const FLOW_MODULES_MAX: usize = 500;
/// Connections of one flow.
pub const FLOW_CONNECTIONS_MAX: usize = 2_000;
/// The text of one flow file.
pub const FLOW_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Messages in a flow's inbound queue and in a module's, unless the flow says otherwise.
pub const FLOW_QUEUE_MESSAGES: usize = 100;
/// Itineraries that a worker takes from its queue at once: amortises waking it, keeps latency low.
pub const FLOW_BATCH_ITINERARIES_MAX: usize = 64;
/// Itineraries of one flow whose failed step waits for another try; one more fails for good at once.
pub const FLOW_DELAYED_ITINERARIES_MAX: usize = 10_000;
/// Steps that one itinerary may take, branches included: a cycle that nothing brakes ends here with a fault.
pub const ITINERARY_STEPS_MAX: usize = 10_000;
/// Versions of one flow that the node keeps.
pub const FLOW_VERSIONS_KEPT: usize = 100;

// --- Scripts ------------------------------------------------------------------------------------------------------

/// The heap of one flow's scripts and route conditions, unless the flow says otherwise.
pub const SCRIPT_HEAP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The stack of one flow's scripts.
pub const SCRIPT_STACK_BYTES_MAX: usize = 256 * 1024;
/// One run of a script or a route condition, unless the flow says otherwise.
pub const SCRIPT_TIME_MAX: Duration = Duration::from_millis(500);
/// Jobs (settled promises) that one run of a script may leave behind.
pub const SCRIPT_JOBS_MAX: usize = 10_000;
/// The text of one script.
pub const SCRIPT_SOURCE_BYTES_MAX: usize = 256 * 1024;

// --- HTTP ---------------------------------------------------------------------------------------------------------

/// The body of one request to the API or to an endpoint of a flow.
pub const HTTP_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The body of one answer to an `http-request`.
pub const HTTP_RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

// --- Stores -------------------------------------------------------------------------------------------------------

/// Named key/value stores of one node.
pub const STORES_MAX: usize = 1_000;
/// One key of a key/value store.
pub const STORE_KEY_BYTES_MAX: usize = 1024;
/// One value of a key/value store, as JSON text.
pub const STORE_VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Keys of one in-memory key/value store.
pub const STORE_MEMORY_KEYS_MAX: usize = 1_000_000;
/// Bytes of one in-memory key/value store.
pub const STORE_MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;
