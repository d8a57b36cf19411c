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
/// MQTT connections at one time, unless configured: each costs about 10 KB and a file descriptor.
pub const MQTT_CONNECTIONS_MAX: usize = 10_000;
/// Log lines a second about clients that break the protocol: a scanner on the network must not fill the disk.
pub const MQTT_LOG_LINES_PER_SECOND_MAX: u32 = 5;
/// How long a new connection may take to send its CONNECT.
pub const MQTT_CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Unacknowledged QoS 1 and 2 messages that a client may have under way to the node (its Receive Maximum).
pub const MQTT_RECEIVE_MAX: u16 = 1024;
/// Unacknowledged QoS 1 and 2 messages that the node has under way to one client, if that allows more.
pub const MQTT_IN_FLIGHT_MAX: u16 = 1024;
/// What the messages weigh that one session has under way unacknowledged, in bytes: they are kept to be sent again, also while
/// the client is away. One always fits.
pub const SESSION_IN_FLIGHT_BYTES_MAX: usize = 16 * 1024 * 1024;
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
/// Bytes of one message of a WebSocket beyond the largest packet: small packets may share one.
pub const WEB_SOCKET_MESSAGE_BYTES_SPARE: usize = 64 * 1024;
/// Topics that a connection remembers, inbound and outbound each, to know a repeated one again: a power of two.
pub const MQTT_TOPICS_REMEMBERED: usize = 64;

// --- Broker -------------------------------------------------------------------------------------------------------

/// Messages that wait for one subscriber, unless configured. Mosquitto's default is 1,000; flows restart in seconds
/// and shall find what came in meanwhile.
pub const MAILBOX_MESSAGES_MAX: usize = 100_000;
/// Bytes that wait for one subscriber, unless configured.
pub const MAILBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Messages of queues and streams that wait in one client's mailbox, if it may have so many: a client may consume thousands of
/// them, each of which reads ahead.
pub const MAILBOX_OWN_MESSAGES_MAX: usize = 10_000;
/// Bytes of these, but for one message more.
pub const MAILBOX_OWN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that a mailbox takes beyond its limit while its publishers are asked to wait: one read batch of each.
pub const MAILBOX_OVERSHOOT_MESSAGES_MAX: usize = 65_536;
/// Bytes that a mailbox takes beyond its limit while its publishers are asked to wait.
pub const MAILBOX_OVERSHOOT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Topics whose routes one publisher keeps: a gateway's tags, at about 150 bytes each.
pub const ROUTE_CACHE_TOPICS_MAX: usize = 4096;
/// Subscribers in all routes that one publisher keeps, at about 50 bytes each.
pub const ROUTE_CACHE_TARGETS_MAX: usize = 65_536;
/// Topics whose routes all publishers of a node keep together, at about 150 bytes each: the tags of a large plant.
pub const ROUTES_KNOWN_TOPICS_MAX: usize = 65_536;
/// Subscribers in all these routes, at about 50 bytes each.
pub const ROUTES_KNOWN_TARGETS_MAX: usize = 262_144;
/// Up to here a message that is kept long is copied, so that it does not keep a whole read buffer alive.
pub const DETACH_BYTES_MAX: usize = 16 * 1024;
/// Owners of mailboxes that one publisher lets wait for the end of its batch.
pub const WAKES_HELD_MAX: usize = 1024;
/// Sessions that the node keeps, connected or not.
pub const SESSIONS_MAX: usize = 100_000;
/// Retained messages that the node keeps.
pub const RETAINED_MESSAGES_MAX: usize = 100_000;
/// Bytes of retained messages that the node keeps.
pub const RETAINED_BYTES_MAX: usize = 256 * 1024 * 1024;

// --- Queues -------------------------------------------------------------------------------------------------------

/// Queues of one node: each has a task and some kilobytes.
pub const QUEUES_MAX: usize = 1_000;
/// Messages that may wait in one queue, unless configured.
pub const QUEUE_MESSAGES_MAX: u64 = 1_000_000;
/// Bytes that may wait in one queue, unless configured.
pub const QUEUE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Topic filters that one queue or stream is bound to.
pub const DESTINATION_BINDINGS_MAX: usize = 100;
/// The most urgent priority of a message.
pub const QUEUE_PRIORITY_MAX: u8 = 9;
/// Messages that one MQTT client has of a queue at a time, if its Receive Maximum allows: those that it has others cannot
/// work off.
pub const QUEUE_MQTT_IN_FLIGHT_MAX: usize = 100;
/// Bytes of topics and payloads that one MQTT client has of a queue or stream at a time, or one request of a queue, but for one
/// message more: they lie in memory, and the window of messages that is read ahead of a client may hold a gigabyte of large ones.
pub const CONSUMER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often a consumer looks whether the queue or stream is there again that it waits for: soon for a person who has made it, and
/// seldom enough for ten thousand who wait.
pub const CONSUME_AGAIN_INTERVAL: Duration = Duration::from_secs(1);
/// How long a message waits that an MQTT client refused: an acknowledgement has no word for it.
pub const QUEUE_MQTT_RETRY_DELAY: Duration = Duration::from_secs(1);
/// How long a message waits whose itinerary failed: a flow that fails at once would wear it out in a moment.
pub const QUEUE_FLOW_RETRY_DELAY: Duration = Duration::from_secs(1);
/// How long a request may wait for messages: less than the API allows a request to take.
pub const QUEUE_CONSUME_WAIT_MAX: Duration = Duration::from_secs(25);
/// Messages that a queue hands out before it lets others have their turn.
pub const QUEUE_STEPS_MAX: usize = 256;
/// How long a consumer may keep a message, unless configured: long for a program, short for a person who waits.
pub const QUEUE_ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Deliveries of one message before it is a dead letter, unless configured.
pub const QUEUE_DELIVERIES_MAX: u32 = 16;
/// Consumers that a queue remembers of one message as those who cannot take it: so many refused it, and the rest would too.
pub const QUEUE_REFUSALS_MAX: usize = 64;
/// Messages that some consumers cannot take among which a queue looks for one that another can: it does so for each delivery.
pub const QUEUE_CHOOSY_MESSAGES_MAX: usize = 512;
/// Consumers of one queue.
pub const QUEUE_CONSUMERS_MAX: usize = 10_000;
/// Messages of one queue that its memory knows: with consumers, given back to come again later, read ahead. Each costs some
/// 200 bytes.
pub const QUEUE_HELD_MESSAGES_MAX: usize = 100_000;
/// Delayed messages of one queue that its memory knows, at some 50 bytes each. When there are more, those that are due later
/// are found in the log when these are gone: reading a million for that takes about a second.
pub const QUEUE_DELAYED_MESSAGES_KEPT: usize = 100_000;
/// Steps in which a queue reads on, while none of what it reads can go out, before it lets others have their turn.
pub const QUEUE_READS_MAX: usize = 4;
/// Messages that a queue reads ahead of its consumers, so that it need not read for each.
pub const QUEUE_READ_AHEAD_MESSAGES: usize = 512;
/// Messages among which a queue with priorities chooses.
pub const QUEUE_PRIORITY_MESSAGES: usize = 65_536;
/// Bytes of messages that a queue keeps in memory while it reads ahead; beyond, it reads them a second time.
pub const QUEUE_READ_AHEAD_BYTES: usize = 1024 * 1024;
/// Messages that a queue reads in one step.
pub const QUEUE_READ_MESSAGES_MAX: usize = 256;
/// Bytes that a queue reads in one step.
pub const QUEUE_READ_BYTES_MAX: usize = 256 * 1024;
/// Messages that are thrown away in one step: a moment in which the queue does nothing else.
pub const QUEUE_PURGE_STEP_MESSAGES: usize = 1_000;
/// How long a dead letter that found no room waits for the next try.
pub const QUEUE_DEAD_LETTER_RETRY: Duration = Duration::from_secs(1);

// --- Streams ------------------------------------------------------------------------------------------------------

/// Streams of one node: each is a log of its own, and each log that has news costs a sync.
pub const STREAMS_MAX: usize = 1_000;
/// Bytes of the files of one stream, unless configured.
pub const STREAM_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A stream that may have few bytes, or keeps its messages for a short time, has so many segments at least: only whole ones
/// go.
pub const STREAM_SEGMENTS_LEAST: u32 = 8;
/// No segment of a stream is ended before it has so many bytes, unless it is too old: a file costs a sync of its folder.
pub const STREAM_SEGMENT_BYTES_LEAST: u64 = 16 * 1024;
/// A segment of a stream that keeps a number of messages has an eighth of them, but so many at least: each costs making,
/// syncing and removing a file.
pub const STREAM_SEGMENT_MESSAGES_LEAST: u64 = 64;
/// Named consumers of one stream, those of sessions among them: each has its place in memory and on disk.
pub const STREAM_CONSUMERS_MAX: usize = 10_000;
/// Messages of one stream that one MQTT client has at a time, if its Receive Maximum allows: what is read ahead of it.
pub const STREAM_MQTT_IN_FLIGHT_MAX: usize = 1_000;
/// How long what a consumer has read may be known in memory alone: after a crash it reads so much once more.
pub const STREAM_CURSOR_SAVE_DELAY: Duration = Duration::from_millis(100);
/// Runs of messages acknowledged out of order that are saved with a cursor: more than four members make of it that each keep every
/// second of a thousand messages. Such a cursor has some 10 KB, which are written ten times a second at most.
pub const STREAM_CURSOR_RUNS_MAX: usize = 4_096;
/// How long a consumer waits before it reads or writes again what could not be read or written.
pub const STREAM_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Messages of QoS 2 that go from the spool into a stream at a time: each time waits for both logs.
pub const STREAM_MOVED_MESSAGES_MAX: usize = 4_096;
/// Bytes of messages of QoS 2 that wait in the spool for a stream that takes none, as the disk is full; more are refused.
pub const STREAM_STAGED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of topics and payloads that one page of a stream holds, but for one message more.
pub const STREAM_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

// --- Flows --------------------------------------------------------------------------------------------------------

/// Flows of one node: each has a thread of its own.
pub const FLOWS_MAX: usize = 500;
/// Modules of one flow.
pub const FLOW_MODULES_MAX: usize = 500;
/// Connections of one flow.
pub const FLOW_CONNECTIONS_MAX: usize = 2_000;
/// Variables of one flow: every itinerary carries them, and they are found by a scan.
pub const FLOW_VARIABLES_MAX: usize = 200;
/// Parameters of one flow.
pub const FLOW_PARAMETERS_MAX: usize = 200;
/// The text of one flow file.
pub const FLOW_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of arrays and tables in a flow file: no person reads deeper, and readers of TOML refuse 80.
pub const FLOW_FILE_DEPTH_MAX: usize = 40;
/// How long a flow file that could not be deployed waits at most for another try: what stands in its way is mended by
/// people.
pub const FLOW_FILE_RETRY_DELAY_MAX: Duration = Duration::from_secs(60);
/// Messages in a flow's inbound queue and in a module's, unless the flow says otherwise.
pub const FLOW_QUEUE_MESSAGES: usize = 100;
/// The most that a flow may ask for: a queue holds values, at some hundred bytes each.
pub const FLOW_QUEUE_MESSAGES_MAX: u32 = 100_000;
/// Tries of a failed step after the first that a flow may ask for.
pub const RETRIES_MAX: u32 = 1_000;
/// The longest delay before a further try that a flow may ask for: one hour.
pub const RETRY_DELAY_MAX_MS: u64 = 3_600_000;
/// Itineraries that a worker takes from its queue at once: amortises waking it, keeps latency low.
pub const FLOW_BATCH_ITINERARIES_MAX: usize = 64;
/// Itineraries of one flow whose failed step waits for another try; one more fails for good at once.
pub const FLOW_DELAYED_ITINERARIES_MAX: usize = 10_000;
/// Values that the debug panel keeps for each flow.
pub const DEBUG_RING_ENTRIES_MAX: usize = 200;
/// Bytes of values that the debug panel keeps for each flow.
pub const DEBUG_RING_BYTES_MAX: usize = 1024 * 1024;
/// Log lines that one flow may write in a second; more are counted, not written.
pub const FLOW_LOG_LINES_PER_SECOND_MAX: u32 = 10;
/// Threads of flows that were given up and still run. Past this, a stuck flow is not started again.
pub const FLOW_THREADS_ABANDONED_MAX: usize = 8;
/// Steps that one itinerary may take, branches included: a cycle that nothing brakes ends here with a fault.
pub const ITINERARY_STEPS_MAX: usize = 10_000;
/// Versions of one flow that the node keeps.
pub const FLOW_VERSIONS_KEPT: usize = 100;

// --- Modules ------------------------------------------------------------------------------------------------------

/// Any span of time in a setting: ten years outlast a store's metadata and still count in nanoseconds.
pub const SETTING_SPAN_MAX: Duration = Duration::from_secs(3_660 * 86_400);
/// The shortest time between two ticks of a timer or a generator: finer ones a thread cannot keep.
pub const TICK_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// How long a calendar is trusted before the wall clock is looked at again: someone may have set it.
pub const CALENDAR_RECHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Conditions of one `filter`, outputs of one `switch`, properties of one `map`: each is worked off per message.
pub const MODULE_ENTRIES_MAX: usize = 256;
/// Writes to a persistent store that one `kv-set` has under way: what one group commit takes well.
pub const STORE_WRITES_IN_FLIGHT_MAX: usize = 64;
/// Groups of one `aggregate`: a plant's machines, not its serial numbers.
pub const AGGREGATE_GROUPS_MAX: usize = 100_000;
/// Numbers that one percentile keeps; above, an evenly drawn sample of this size stands for all.
pub const AGGREGATE_SAMPLES_MAX: usize = 4_096;
/// Elements of one `batch`.
pub const BATCH_ELEMENTS_MAX: usize = 100_000;
/// Bytes of one `batch`, as its elements lie in memory.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Messages that one `split` makes of one.
pub const SPLIT_ELEMENTS_MAX: usize = 100_000;
/// What one `decompress` may make of one message: 1 MB of zeros packs into 1 KB, so the packed size says nothing.
pub const DECOMPRESSED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long a caller of an `http-listener` may be kept waiting.
pub const HTTP_RESPONSE_TIMEOUT_MAX: Duration = Duration::from_secs(600);

// --- Scripts ------------------------------------------------------------------------------------------------------

/// The heap of one flow's scripts and route conditions, unless the flow says otherwise.
pub const SCRIPT_HEAP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The stack of one flow's scripts.
pub const SCRIPT_STACK_BYTES_MAX: usize = 256 * 1024;
/// One run of a script or a route condition, unless the flow says otherwise.
pub const SCRIPT_TIME_MAX: Duration = Duration::from_millis(500);
/// The longest time of one run that a flow may ask for: one minute.
pub const SCRIPT_TIME_CEILING_MS: u64 = 60_000;
/// The largest heap of its scripts that a flow may ask for.
pub const SCRIPT_HEAP_CEILING_MIB: u64 = 1_024;
/// Texts that conditions and plain assignments make without the script engine: longer ones count against its heap.
pub const EXPRESSION_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Jobs (settled promises) that one run of a script may leave behind.
pub const SCRIPT_JOBS_MAX: usize = 10_000;
/// Lines that one run of a script may log: the log is for people.
pub const SCRIPT_LOG_LINES_MAX: usize = 100;
/// One line that a script logs; longer ones are cut.
pub const SCRIPT_LOG_LINE_CHARACTERS_MAX: usize = 2_000;
/// The text of an error that a script throws; longer ones are cut.
pub const SCRIPT_ERROR_CHARACTERS_MAX: usize = 500;
/// The text of one script.
pub const SCRIPT_SOURCE_BYTES_MAX: usize = 256 * 1024;

// --- HTTP ---------------------------------------------------------------------------------------------------------

/// The body of one request to the API or to an endpoint of a flow.
pub const HTTP_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The head of one request: more is no honest client.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of one request.
pub const HTTP_HEADERS_MAX: usize = 100;
/// How long a client may take to send the head of a request; also how long an idle connection is kept.
pub const HTTP_HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// How long a client may take to send the body of a request to an endpoint of a flow.
pub const HTTP_BODY_DEADLINE: Duration = Duration::from_secs(60);
/// Files of all that the process may have open which connections leave alone: a log that needs its next one must get it.
/// About 30 are open in a node at rest; a log that is read from its beginning opens up to [`LOG_FILES_OPEN_MAX`].
pub const OPEN_FILES_RESERVE: usize = 100;
/// HTTP connections of one listener at one time; a browser opens six.
pub const HTTP_CONNECTIONS_MAX: usize = 1_000;
/// How long one request to the API may take, its body included.
pub const API_REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// Answers of the API that go on as events, at one time: others need connections too.
pub const API_EVENT_STREAMS_MAX: usize = 200;
/// How often a quiet one of them says that it is alive: proxies close connections that are quiet for a minute, or half of
/// one.
pub const API_EVENT_HEARTBEAT: Duration = Duration::from_secs(15);
/// Keys in one page of a key/value store, unless asked for fewer.
pub const API_PAGE_KEYS_MAX: usize = 1_000;
/// Messages in one page of a queue or a stream, unless asked for more or fewer.
pub const API_PAGE_MESSAGES: usize = 100;
/// The most messages that one page may hold.
pub const API_PAGE_MESSAGES_MAX: usize = 1_000;
/// How long the one-time link of the first start is good.
pub const SETUP_CODE_LIFE: Duration = Duration::from_secs(3600);
/// The body of one answer to an `http-request`.
pub const HTTP_RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

// --- Stores -------------------------------------------------------------------------------------------------------

/// Named key/value stores of one node.
pub const STORES_MAX: usize = 1_000;
/// One key of a key/value store.
pub const STORE_KEY_BYTES_MAX: usize = 1024;
/// One value of a key/value store, by its weight in memory (`Value::weight_bytes`).
pub const STORE_VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Keys of one in-memory key/value store.
pub const STORE_MEMORY_KEYS_MAX: usize = 1_000_000;
/// Bytes of one in-memory key/value store.
pub const STORE_MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Expired keys that one sweep removes: a sweep shares the disk with everyone's writes.
pub const STORE_SWEEP_KEYS_MAX: usize = 1_000;
/// Stores or keys that one page of a list holds.
pub const STORE_PAGE_MAX: usize = 1_000;

// --- Tables -------------------------------------------------------------------------------------------------------

/// Pages of the table file that are kept in memory: the file system keeps the rest.
pub const TABLE_CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Writes that may wait for the disk; more are refused.
pub const TABLE_WRITES_WAITING_MAX: usize = 65_536;
/// Bytes of writes that may wait for the disk; more are refused.
pub const TABLE_BYTES_WAITING_MAX: usize = 64 * 1024 * 1024;
/// Writes that one commit holds: bounds what a crash may lose before it is acknowledged, and the memory of a commit.
pub const TABLE_GROUP_WRITES_MAX: usize = 4_096;
/// Bytes of retained messages that one commit holds, but for one message more: others do not wait long behind it.
pub const TABLE_GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often writes that found the disk full are tried again.
pub const TABLE_ROOM_RETRY: Duration = Duration::from_secs(1);
/// Ids of durable destinations that are reserved on disk at once: a burst of new sessions waits for few commits.
pub const DESTINATION_IDS_RESERVED: u64 = 4_096;
/// How long a commit waits for the other writers of the last one: less than a sync of a good disk takes.
pub const TABLE_GROUP_WAIT: Duration = Duration::from_millis(2);
/// A table file up to this size is checked page by page whenever it is opened: takes about 0.1 s.
pub const TABLE_CHECK_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What the disk must have left beyond a group of writes: a write that the disk cuts short poisons the table file, so it is
/// not tried. Enough for the pages that a commit moves.
pub const TABLE_DISK_RESERVE_BYTES: u64 = 1024 * 1024;
/// Damaged table files that are set aside within one microsecond: a name is looked for among so many.
pub const TABLE_SET_ASIDE_NAMES_MAX: u32 = 100;
/// One entry of the `meta` table.
pub const TABLE_META_BYTES_MAX: usize = 1024 * 1024;

// --- Sessions on disk ---------------------------------------------------------------------------------------------

/// Messages that wait on disk for one session, unless the configuration says otherwise: two weeks of one a second.
pub const SESSION_BACKLOG_MESSAGES_MAX: u64 = 1_000_000;
/// Bytes that wait on disk for one session, unless the configuration says otherwise.
pub const SESSION_BACKLOG_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Acknowledgements that a session holds back to tell the disk of them at once.
pub const SESSION_ACKNOWLEDGEMENTS_HELD_MAX: usize = 256;
/// What a session reads of its backlog at once: enough to keep a fast client busy while the next is read.
pub const SESSION_READ_BYTES_MAX: usize = 256 * 1024;

// --- Logs ---------------------------------------------------------------------------------------------------------

/// A segment of a log: one that is mostly dead is written anew in a tenth of a second, and a spool of 1 GB has 32.
pub const LOG_SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// One record of a log: the largest MQTT packet that a node can be configured to take, and what stands around it.
pub const LOG_RECORD_BYTES_MAX: usize = 300 * 1024 * 1024;
/// Bytes of one log that wait for the disk from which on its publishers wait too: the largest group that a slow disk writes in
/// a second or two, and far more than a fast one needs to be busy.
pub const LOG_BYTES_CROWDED: usize = 16 * 1024 * 1024;
/// When fewer bytes than these wait, they go on: before the disk has nothing to do.
pub const LOG_BYTES_ROOMY: usize = LOG_BYTES_CROWDED / 2;
/// Bytes of one log that wait for the disk at which nothing more is taken, from whoever cannot wait (wills, the node's own
/// messages, flows in the middle of a stride) either.
pub const LOG_BYTES_WAITING_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a buffer of records: when it has so many, the next record goes into another one.
pub const LOG_BUFFER_BYTES: usize = 512 * 1024;
/// Memory of a buffer that is kept for other records: one that grew around its last record is not.
pub const LOG_BUFFER_KEPT_BYTES_MAX: usize = 2 * LOG_BUFFER_BYTES;
/// Buffers that a busy log keeps; one that has nothing to write keeps one.
pub const LOG_BUFFERS_KEPT_MAX: usize = 8;
/// What the disk must have left for a message to be taken: acknowledgements, which make room, still go on.
pub const LOG_DISK_RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// What the disk must have left for anything to be written: the rest is for the tables.
pub const LOG_DISK_RESERVE_LEAST_BYTES: u64 = 4 * 1024 * 1024;
/// How often a group that found no room is tried again.
pub const LOG_ROOM_RETRY: Duration = Duration::from_millis(100);
/// The share of a segment that is written in a busy stretch before the file of the next one is laid out.
pub const LOG_BUSY_SHARE: u64 = 8;
/// How many times what is laid out the disk must have left.
pub const LOG_AHEAD_ROOM_SHARE: u64 = 64;
/// Bytes that are laid out at once: a sync of so much takes the disk no longer than that of a group.
pub const LOG_AHEAD_STEP_BYTES: usize = 256 * 1024;
/// Between two steps: laying out a segment takes about half a second, in which a busy log fills half of one.
pub const LOG_AHEAD_PAUSE: Duration = Duration::from_millis(3);
/// How long a node that stops waits for the disk. More is not worth it: a supervisor kills it after a while.
pub const LAST_WRITES_MAX: Duration = Duration::from_secs(10);
/// How often a page of a log's file is read before it counts as lost: a device that is busy with itself, or a bus that was
/// disturbed, is well again after less than what these tries take together.
pub const LOG_READ_TRIES: usize = 5;
/// How long a device is left alone between two of these.
pub const LOG_READ_AGAIN: Duration = Duration::from_millis(50);
/// Lost pages of one file after which each further one is tried once: thousands of them would take minutes.
pub const LOG_PATIENT_PAGES_MAX: usize = 16;
/// Files of one log that are kept open.
pub const LOG_FILES_OPEN_MAX: usize = 32;
/// Bytes of checksums that the search for whole records in one damaged segment may cost: about a second.
pub const LOG_RESYNC_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Damaged bytes of one log that are kept aside for someone to look at: more are left where they are, or lost.
pub const LOG_QUARANTINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes that one read of a log's file asks for at most, unless a single record is larger.
pub const LOG_READ_BYTES_MAX: usize = 256 * 1024;
/// Bytes of other records that a read of a file takes along rather than to read twice.
pub const LOG_READ_GAP_BYTES_MAX: u64 = 4 * 1024;
/// Bytes of a stream between two entries of its sparse index: reading from an offset passes over so many at most.
pub const STREAM_INDEX_BYTES: u64 = 64 * 1024;
/// Places in a stream that are remembered for those who read on from there.
pub const STREAM_READERS_REMEMBERED: usize = 64;
/// A segment of the spool is written anew when what waits in it takes this part of its bytes, or less: so each byte that is
/// copied gives at least another one back.
pub const SPOOL_REWRITE_PART: u64 = 2;
/// So many neighbours become one segment when each is at most such a part of one: a message is copied a few times for it
/// at most, and a spool has a few files for each of these parts.
pub const SPOOL_MERGE_SEGMENTS: usize = 8;
/// What is copied and synced at once when a segment is written anew: a commit waits for no more than that.
pub const SPOOL_REWRITE_PIECE_BYTES: usize = 1024 * 1024;
/// Messages that are looked at under the spool's lock at once before a segment is written anew: well under a millisecond.
pub const SPOOL_SURVEY_MESSAGES: usize = 2048;
/// Messages of one destination that are looked at together for their age.
pub const SPOOL_AGED_MESSAGES: usize = 256;
/// Destinations of one message from which on its record is kept in memory while they read it: fewer are gone through.
pub const SPOOL_WIDE_PLACEMENTS_LEAST: u32 = 64;
/// Memory of such records together: some twenty messages that went to ten thousand sessions each.
pub const SPOOL_WIDE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The label of a session or queue, which is written again with each segment; a longer one is cut to the name by who gives it.
pub const SPOOL_LABEL_BYTES_MAX: usize = 16 * 1024;
/// What a message counts for in the limit of its destination beside its topic and payload: about what its record has.
pub const SPOOL_MESSAGE_OVERHEAD_BYTES: usize = 48;

// --- Databases of flows -------------------------------------------------------------------------------------------

/// Statements that may wait for one database; more fail.
pub const DATABASE_JOBS_WAITING_MAX: usize = 1_000;
/// How long a statement waits for a file that another program has locked.
pub const DATABASE_BUSY_MAX: Duration = Duration::from_secs(5);
/// Columns of one row that is inserted: SQLite takes 2,000.
pub const DATABASE_COLUMNS_MAX: usize = 2_000;
/// The name of a table or column.
pub const DATABASE_NAME_BYTES_MAX: usize = 128;
