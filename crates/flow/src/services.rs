//! What modules ask of the node that they run in. The node, and the simulation, implement these traits;
//! so the flow engine knows no broker, no sockets and no files.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use message::{
    ConsumerName, Now, Publication, QoS, QueueName, StoreName, StreamName, StreamPosition, Text, Timestamp,
    TopicFilter, Value,
};

use crate::run::{Outcome, Receipt};

/// Everything that a module may ask of its node.
#[derive(Clone)]
pub struct Services {
    pub broker: Arc<dyn Broker>,
    pub endpoints: Arc<dyn Endpoints>,
    pub stores: Arc<dyn Stores>,
    pub queues: Arc<dyn Queues>,
    pub streams: Arc<dyn Streams>,
    pub debug: Arc<dyn DebugSink>,
    pub environment: Arc<dyn Environment>,
    pub timers: Arc<dyn Timers>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Services")
    }
}

/// A future that a service gives back.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service that cannot do what was asked: a lowercase fragment that names the thing and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServiceError(pub String);

/// The node's own broker, as one flow version sees it.
///
/// What is subscribed while a version is built becomes live only when the node switches to that version, in one step
/// for all of its subscriptions, so that no message is lost or doubled between two versions.
pub trait Broker: Send + Sync {
    /// Subscribes for the module `module`.
    fn subscribe(&self, module: &message::ModuleId, request: SubscribeRequest) -> Result<Box<dyn Inbox>, ServiceError>;

    /// Publishes to every match: clients, other flows, this flow. `Ready` means that every match has taken the message;
    /// otherwise the publisher shall hold back until the returned future is ready: then all have. Where the message is to
    /// be on disk, `receipt` is held until it is, without holding the publisher back, and fails if it never will be.
    fn publish(&self, now: Now, publication: Publication, receipt: Option<&Receipt>)
    -> Result<Published, ServiceError>;
}

/// What became of a publication.
pub enum Published {
    /// Every match has it.
    Done,
    /// A match asks the publisher to hold back.
    HoldBack(Answer<Result<(), ServiceError>>),
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::HoldBack(_) => "HoldBack",
        })
    }
}

/// What a flow asks the broker for.
#[derive(Debug, Clone)]
pub struct SubscribeRequest {
    pub filter: TopicFilter,
    pub qos: QoS,
    /// Messages wait on disk until they are worked off, whether the flow runs or not.
    pub durable: Option<Backlog>,
}

/// What waits for a durable subscription. It outlives the versions of its flow, as long as each of them has the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    pub messages_max: u64,
    pub bytes_max: u64,
    pub when_full: BacklogFull,
    /// Deliveries of one message; after the last one it is a dead letter. 0: as many as it takes.
    pub deliveries_max: u32,
    /// Messages that the flow has under way at a time.
    pub in_flight_max: usize,
}

/// What happens to a message that finds a backlog full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BacklogFull {
    /// It is not taken, and its publisher is told so.
    #[default]
    Refuse,
    /// The oldest messages make room for it.
    DropOldest,
    /// It is dropped.
    DropNewest,
}

/// The messages that wait for one subscription of a flow.
pub trait Inbox {
    /// Takes up to `room` messages in order; registers the waker of `cx` when fewer were there.
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<Taken>);
    /// Messages that wait now.
    fn waiting(&self) -> usize;
}

/// One message as a subscription gets it.
#[derive(Debug, Clone)]
pub struct Taken {
    pub publication: Arc<Publication>,
    /// The lower of the publisher's and the subscription's.
    pub qos: QoS,
    /// The message was retained before the subscription was made.
    pub retained: bool,
    /// To be held by the itinerary: of a durable subscription, it takes the message out when it resolves.
    pub receipt: Option<Receipt>,
}

/// The HTTP endpoints that flows open.
pub trait Endpoints: Send + Sync {
    /// Opens a path for the module `module`; live when the node switches to the version. Refused when another flow has it.
    fn open(&self, module: &message::ModuleId, request: EndpointRequest) -> Result<Box<dyn HttpInbox>, ServiceError>;
    /// Answers the request `id`, once; an error when it is unknown, was answered, or has timed out.
    fn respond(&self, id: &str, response: HttpResponse) -> Result<(), ServiceError>;
}

/// What an `http-listener` asks for.
#[derive(Debug, Clone)]
pub struct EndpointRequest {
    /// As a topic filter without the leading slash: `+` for one segment, `#` for the rest.
    pub path: Text,
    /// `GET`, `POST` ... or `ALL`.
    pub verb: Text,
    /// How long the caller is kept waiting for an answer; then it gets 504.
    pub response_timeout: Duration,
    /// Requests that may wait for the flow; more are answered 503 with Retry-After.
    pub waiting_max: usize,
}

/// The requests that wait for one endpoint of a flow.
pub trait HttpInbox {
    /// Takes up to `room` requests in order; registers the waker of `cx` when fewer were there.
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<HttpRequest>);
    fn waiting(&self) -> usize;
}

/// One HTTP request as an endpoint gets it.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Names the request for `http-response`.
    pub id: Text,
    pub verb: Text,
    /// With the leading slash, decoded.
    pub path: Text,
    /// Names in lower case; a name that occurs twice has its values joined by `, `.
    pub headers: Vec<(Text, Text)>,
    /// Decoded; a name that occurs twice keeps the last value.
    pub query: Vec<(Text, Text)>,
    pub body: Bytes,
}

/// The answer to one HTTP request.
#[derive(Debug, Clone, Default)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(Text, Text)>,
    pub body: Bytes,
}

impl HttpResponse {
    /// The answer that an endpoint gives by itself when its itinerary has ended.
    pub fn automatic(outcome: Outcome) -> Self {
        let status = match outcome {
            Outcome::Done => 200,
            Outcome::Failed => 500,
        };
        Self { status, ..Self::default() }
    }
}

/// The key/value stores that a flow may open.
pub trait Stores: Send + Sync {
    /// Opens a store by name, making it if it is new. In-memory stores are private to the flow and outlive its versions.
    fn open(&self, store: &StoreName, persistent: bool) -> Result<Arc<dyn Store>, ServiceError>;
}

/// One key/value store.
pub trait Store: Send + Sync {
    /// `None` when the key is missing or its time has passed.
    fn get(&self, now: Now, key: &str) -> Result<Option<Value>, ServiceError>;
    /// Sets a key; the answer is ready when the value is as durable as its store: on disk for a persistent one.
    fn set(&self, now: Now, key: &str, value: Value, ttl: Option<Duration>) -> Stored;
    /// Removes a key and says whether it was there.
    fn delete(&self, now: Now, key: &str) -> Stored;
}

/// What became of a write to a store.
pub enum Stored {
    /// Written, at once. `true` when the key was there before.
    Now(Result<bool, ServiceError>),
    /// Written when the answer is ready.
    Later(Answer<Result<bool, ServiceError>>),
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(result) => f.debug_tuple("Now").field(result).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// The queues of the node.
pub trait Queues: Send + Sync {
    /// Begins to consume a queue, so many messages at a time. An error when there is no such queue.
    fn consume(
        &self,
        queue: &QueueName,
        in_flight_max: usize,
    ) -> Result<Box<dyn ConsumerInbox<QueueMessage>>, ServiceError>;

    /// Puts a message into a queue; the answer is ready when the queue has it, as safe as it promises.
    fn put(
        &self,
        now: Now,
        queue: &QueueName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError>;
}

/// Messages of a queue or a stream that are a flow's to work off. Those that were not taken when this is dropped go to others.
pub trait ConsumerInbox<M> {
    /// Takes up to `room` messages in order; registers the waker of `cx` when fewer were there.
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<M>);
    /// Lets nothing new come. What is there can still be taken, or is left to others already.
    fn close(&mut self);
    /// Messages that are there to be taken.
    fn waiting(&self) -> usize;
}

/// One message of a queue.
#[derive(Debug)]
pub struct QueueMessage {
    pub publication: Arc<Publication>,
    /// Which delivery of the message this is, from 1.
    pub delivery: u32,
    /// Of the itinerary that works it off: done, it is gone from the queue; failed, it comes again.
    pub receipt: Receipt,
}

/// The streams of the node.
pub trait Streams: Send + Sync {
    /// Appends a message; the answer is ready when the stream has it, as safe as it promises. An error when there is no
    /// such stream, or no room.
    fn append(
        &self,
        now: Now,
        stream: &StreamName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError>;

    /// Prepares to read a stream. Nothing is read before it is asked for. An error when there is no such stream, or the name
    /// of the consumer is taken for something else.
    fn read(
        &self,
        stream: &StreamName,
        request: ReadRequest,
    ) -> Result<Box<dyn ConsumerInbox<StreamMessage>>, ServiceError>;
}

/// How a flow reads a stream.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// Where to begin, if the consumer is not known.
    pub from: StreamPosition,
    /// Whose reading it goes on with; its place is kept.
    pub consumer: Option<ConsumerName>,
    /// Messages that the flow has under way at a time.
    pub in_flight_max: usize,
}

/// One message of a stream.
#[derive(Debug)]
pub struct StreamMessage {
    pub publication: Arc<Publication>,
    pub offset: u64,
    pub appended_at: Timestamp,
    /// Messages that are gone between this one and the one before.
    pub missing: u64,
    /// To be held by the itinerary: the consumer has read the message when it resolves; failed, it comes again.
    pub receipt: Receipt,
}

/// Where the `debug` module and `log` of scripts write to.
pub trait DebugSink: Send + Sync {
    /// Shows one value in the debug panel; bounded by whoever implements it.
    fn show(&self, now: Now, module: &message::ModuleId, value: &Value);
    /// Writes one line to the node's log.
    fn log(&self, now: Now, module: &message::ModuleId, level: LogLevel, text: &str);
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// The node's environment and secrets, and chance.
pub trait Environment: Send + Sync {
    /// `{env.NAME}` in templates.
    fn variable(&self, name: &str) -> Option<String>;
    /// `secret://name` in settings.
    fn secret(&self, name: &str) -> Result<String, ServiceError>;
    /// A seed for simulated signals and jitter; the same in every run of a simulation.
    fn seed(&self) -> u64;
    /// The time zone that calendars of timers follow; UTC unless the node knows of another.
    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::UTC
    }
}

/// Waiting, for work that waits on the world.
pub trait Timers: Send + Sync {
    /// Ready after `span`.
    fn sleep(&self, span: Duration) -> Answer<()>;
}
