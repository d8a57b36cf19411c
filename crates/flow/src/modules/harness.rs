//! What modules are tried in: a clock that is set by hand and services that keep everything in memory.
//! Used by the tests of this crate, and by `tests/module_contract.rs`, so it names the crate from outside.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use flow::build::BuildContext;
use flow::check::{Checker, Claim, Problem};
use flow::module::{Built, Failure, Inbound, ModuleKind, Step, Waiting, WaitingStep};
use flow::run::{Emitter, FlowContext, Itinerary, Outcome, Receipt, Source, VariableNames};
use flow::script::{ScriptEngine, ScriptLimits};
use flow::services::{
    Answer, Backlog, Broker, ConsumerInbox, DebugSink, EndpointRequest, Endpoints, Environment, HttpInbox, HttpRequest,
    HttpResponse, Inbox, LogLevel, Published, QueueMessage, Queues, ReadRequest, ServiceError, Services, Store, Stored,
    Stores, StreamMessage, Streams, SubscribeRequest, Taken, Timers,
};
use message::value::parse_json;
use message::{
    FlowId, ModuleId, Moment, Now, Object, Publication, QueueName, StoreName, StreamName, Text, Timestamp, TopicFilter,
    TopicName, Value,
};

/// The time `millis` after a node was started at 2026-01-31T08:00:00Z.
pub fn now(millis: u64) -> Now {
    let start: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
    let span = Duration::from_millis(millis);
    Now { moment: Moment::since_start(span), wall: start.saturating_add(span) }
}

/// A flow that declares the variables `limit` (number, 30) and `line` (string).
pub fn flow() -> Arc<FlowContext> {
    use flow::model::VariableType;
    Arc::new(FlowContext {
        flow: FlowId::parse("tried").unwrap(),
        version: 1,
        node: Text::new("node"),
        site: Text::default(),
        run: 1,
        parameters: Object::new(),
        variables: VariableNames::new([
            (Text::new("limit"), VariableType::Number, Value::from(30)),
            (Text::new("line"), VariableType::String, Value::from("l1")),
        ]),
    })
}

/// An itinerary whose message is the JSON text `message`.
pub fn itinerary(message: &str) -> Itinerary {
    itinerary_of(parse_json(message.as_bytes()).unwrap())
}

pub fn itinerary_of(message: Value) -> Itinerary {
    let source = Source { module: ModuleId::parse("source").unwrap(), address: "a/b".into() };
    Itinerary::begin(now(0), &flow(), Arc::new(source), 1, message)
}

/// An itinerary whose end is written to the returned list.
pub fn itinerary_with_receipt(message: &str) -> (Itinerary, Arc<Mutex<Vec<Outcome>>>) {
    let ended = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&ended);
    let receipt = Receipt::new(move |outcome| list.lock().unwrap().push(outcome));
    (itinerary(message).with_receipt(receipt), ended)
}

/// What a check of settings found.
#[derive(Debug, Default)]
pub struct Found {
    pub problems: Vec<Problem>,
    pub claims: Vec<(ModuleId, Claim)>,
}

impl Found {
    /// The problems as a person reads them.
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }

    pub fn claims(&self) -> Vec<&Claim> {
        self.claims.iter().map(|(_, claim)| claim).collect()
    }
}

/// Settings written as TOML, as JSON.
pub fn settings(toml: &str) -> serde_json::Map<String, serde_json::Value> {
    toml_edit::de::from_str(toml).unwrap()
}

/// Checks settings written as TOML; settings that are not even read are a panic with the reason.
pub fn check(kind: &dyn ModuleKind, toml: &str) -> Found {
    let parsed = kind.parse(&settings(toml)).unwrap_or_else(|error| panic!("{}: {error}", error.path));
    let module = ModuleId::parse("tried").unwrap();
    let variables = flow().variables.names().to_vec();
    let mut found = Found::default();
    kind.check(&parsed, &mut Checker::new(&module, &variables, &mut found.problems, &mut found.claims));
    found
}

/// A node for one module, all in memory.
pub struct World {
    pub broker: Arc<MemoryBroker>,
    pub endpoints: Arc<MemoryEndpoints>,
    pub stores: Arc<MemoryStores>,
    pub queues: Arc<MemoryQueues>,
    pub streams: Arc<MemoryStreams>,
    pub debug: Arc<MemoryDebug>,
    pub services: Services,
}

impl World {
    pub fn new() -> Self {
        let broker = Arc::<MemoryBroker>::default();
        let endpoints = Arc::<MemoryEndpoints>::default();
        let stores = Arc::<MemoryStores>::default();
        let queues = Arc::<MemoryQueues>::default();
        let streams = Arc::<MemoryStreams>::default();
        let debug = Arc::<MemoryDebug>::default();
        let services = Services {
            broker: broker.clone(),
            endpoints: endpoints.clone(),
            stores: stores.clone(),
            queues: queues.clone(),
            streams: streams.clone(),
            debug: debug.clone(),
            environment: Arc::new(FixedEnvironment),
            timers: Arc::new(InstantTimers),
        };
        Self { broker, endpoints, stores, queues, streams, debug, services }
    }

    pub fn build(&self, kind: &dyn ModuleKind, toml: &str) -> Built {
        self.try_build(kind, toml).unwrap_or_else(|what| panic!("{what}"))
    }

    pub fn try_build(&self, kind: &dyn ModuleKind, toml: &str) -> Result<Built, String> {
        let module = ModuleId::parse("tried").unwrap();
        let flow = flow();
        let scripts = Rc::new(ScriptEngine::new(ScriptLimits::default()));
        let mut context =
            BuildContext { now: now(0), module: &module, flow: &flow, services: &self.services, scripts: &scripts };
        let parsed = kind.parse(&settings(toml)).map_err(|error| format!("{}: {error}", error.path))?;
        kind.build(parsed, &mut context).map_err(|error| error.to_string())
    }

    pub fn step(&self, kind: &dyn ModuleKind, toml: &str) -> Box<dyn Step> {
        match self.build(kind, toml) {
            Built::Step(step) => step,
            other => panic!("built {other:?}, not a step"),
        }
    }

    pub fn waiting(&self, kind: &dyn ModuleKind, toml: &str) -> Box<dyn WaitingStep> {
        match self.build(kind, toml) {
            Built::Waiting(step) => step,
            other => panic!("built {other:?}, not a waiting step"),
        }
    }

    pub fn inbound(&self, kind: &dyn ModuleKind, toml: &str) -> Box<dyn Inbound> {
        match self.build(kind, toml) {
            Built::Inbound(inbound) => inbound,
            other => panic!("built {other:?}, not inbound"),
        }
    }
}

/// What one call of a step gave: what it passed on as `port: JSON`, or why it failed.
pub fn process(step: &mut dyn Step, now: Now, itinerary: Itinerary) -> Result<Vec<String>, String> {
    let mut out = Emitter::default();
    step.process(now, itinerary, &mut out).map_err(|failure: Failure| failure.what().to_owned())?;
    Ok(passed(&mut out))
}

/// The same for a message as JSON text, at the start of the clock.
pub fn try_message(step: &mut dyn Step, message: &str) -> Result<Vec<String>, String> {
    process(step, now(0), itinerary(message))
}

/// What a step passed on so far, as `port: JSON`.
pub fn passed(out: &mut Emitter) -> Vec<String> {
    out.drain().map(|(port, itinerary)| format!("{port}: {}", itinerary.message)).collect()
}

/// What an inbound module brings at `now`, with room for `room`.
pub fn arrivals(inbound: &mut dyn Inbound, now: Now, room: usize) -> Vec<Itinerary> {
    let mut arrivals = Vec::new();
    inbound.poll_arrivals(&mut Context::from_waker(Waker::noop()), now, room, &mut arrivals);
    assert!(arrivals.len() <= room, "{} arrivals in a room of {room}", arrivals.len());
    arrivals
}

/// The messages of `arrivals` as JSON.
pub fn arrived(inbound: &mut dyn Inbound, now: Now, room: usize) -> Vec<String> {
    arrivals(inbound, now, room).iter().map(|itinerary| itinerary.message.to_json()).collect()
}

/// Ends work that is ready, as it is with services in memory.
pub fn finish(mut work: Waiting) -> Result<Vec<String>, String> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(passed)) => Ok(passed.iter().map(|(port, it)| format!("{port}: {}", it.message)).collect()),
        Poll::Ready(Err(failure)) => Err(failure.what().to_owned()),
        Poll::Pending => panic!("the work still waits"),
    }
}

/// Whether an answer is ready, and with what.
pub fn ready<T>(answer: &mut Answer<T>) -> Option<T> {
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A gate that holds answers back until it is opened.
#[derive(Debug, Default)]
pub struct Gate(Mutex<bool>);

impl Gate {
    pub fn open(&self) {
        *self.0.lock().unwrap() = true;
    }

    fn answer<T: Send + Unpin + 'static>(self: &Arc<Self>, value: T) -> Answer<T> {
        let gate = Arc::clone(self);
        let mut value = Some(value);
        Box::pin(std::future::poll_fn(move |_| {
            if *gate.0.lock().unwrap() { Poll::Ready(value.take().unwrap()) } else { Poll::Pending }
        }))
    }
}

/// Keeps what was published; hands it to inboxes whose filter matches.
#[derive(Default)]
pub struct MemoryBroker {
    pub published: Mutex<Vec<Publication>>,
    inboxes: Mutex<Vec<(TopicFilter, bool, Queue<Taken>)>>,
    /// When set, whatever is published is held back until the gate is open.
    pub full: Mutex<Option<Arc<Gate>>>,
    /// When set, whatever is published is refused in these words.
    pub refuses: Mutex<Option<String>>,
    /// What durable subscriptions asked for, and how the itineraries of their messages ended.
    pub backlogs: Mutex<Vec<Backlog>>,
    pub settled: Arc<Mutex<Vec<Outcome>>>,
}

type Queue<T> = Arc<Mutex<VecDeque<T>>>;

impl MemoryBroker {
    /// Publishes as a client would.
    pub fn send(&self, topic: &str, payload: &[u8]) {
        let topic = TopicName::parse(topic).unwrap();
        let payload = message::Bytes::copy_from_slice(payload);
        self.deliver(Publication::new(topic, payload, message::QoS::AtMostOnce, now(0).wall));
    }

    pub fn deliver(&self, publication: Publication) {
        let publication = Arc::new(publication);
        for (filter, is_durable, queue) in self.inboxes.lock().unwrap().iter() {
            if filter.matches(&publication.topic) {
                let publication = Arc::clone(&publication);
                let settled = Arc::clone(&self.settled);
                let receipt = is_durable.then(|| Receipt::new(move |outcome| settled.lock().unwrap().push(outcome)));
                queue.lock().unwrap().push_back(Taken { qos: publication.qos, publication, retained: false, receipt });
            }
        }
    }

    /// What was published, as `topic payload`.
    pub fn lines(&self) -> Vec<String> {
        let line = |publication: &Publication| {
            format!("{} {}", publication.topic, String::from_utf8_lossy(&publication.payload))
        };
        self.published.lock().unwrap().iter().map(line).collect()
    }
}

impl Broker for MemoryBroker {
    fn subscribe(&self, _: &ModuleId, request: SubscribeRequest) -> Result<Box<dyn Inbox>, ServiceError> {
        let queue = Queue::default();
        self.backlogs.lock().unwrap().extend(request.durable);
        self.inboxes.lock().unwrap().push((request.filter, request.durable.is_some(), Arc::clone(&queue)));
        Ok(Box::new(MemoryInbox(queue)))
    }

    fn publish(&self, _: Now, publication: Publication, _: Option<&Receipt>) -> Result<Published, ServiceError> {
        if let Some(what) = &*self.refuses.lock().unwrap() {
            return Err(ServiceError(what.clone()));
        }
        self.published.lock().unwrap().push(publication);
        match &*self.full.lock().unwrap() {
            Some(gate) => Ok(Published::HoldBack(gate.answer(Ok(())))),
            None => Ok(Published::Done),
        }
    }
}

struct MemoryInbox<T>(Queue<T>);

impl<T> MemoryInbox<T> {
    fn take(&self, room: usize, taken: &mut Vec<T>) {
        let mut queue = self.0.lock().unwrap();
        let count = room.min(queue.len());
        taken.extend(queue.drain(..count));
    }
}

impl Inbox for MemoryInbox<Taken> {
    fn poll_take(&mut self, _: &mut Context<'_>, room: usize, taken: &mut Vec<Taken>) {
        self.take(room, taken);
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl HttpInbox for MemoryInbox<HttpRequest> {
    fn poll_take(&mut self, _: &mut Context<'_>, room: usize, taken: &mut Vec<HttpRequest>) {
        self.take(room, taken);
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Hands requests to whatever endpoint is open and keeps the answers.
#[derive(Default)]
pub struct MemoryEndpoints {
    pub opened: Mutex<Vec<EndpointRequest>>,
    requests: Queue<HttpRequest>,
    pub answers: Mutex<Vec<(String, HttpResponse)>>,
}

impl MemoryEndpoints {
    pub fn send(&self, request: HttpRequest) {
        self.requests.lock().unwrap().push_back(request);
    }

    /// The answers so far, as `id status body`.
    pub fn lines(&self) -> Vec<String> {
        let line = |(id, response): &(String, HttpResponse)| {
            format!("{id} {} {}", response.status, String::from_utf8_lossy(&response.body))
        };
        self.answers.lock().unwrap().iter().map(line).collect()
    }
}

impl Endpoints for MemoryEndpoints {
    fn open(&self, _: &ModuleId, request: EndpointRequest) -> Result<Box<dyn HttpInbox>, ServiceError> {
        self.opened.lock().unwrap().push(request);
        Ok(Box::new(MemoryInbox(Arc::clone(&self.requests))))
    }

    fn respond(&self, id: &str, response: HttpResponse) -> Result<(), ServiceError> {
        let mut answers = self.answers.lock().unwrap();
        if answers.iter().any(|(answered, _)| answered == id) {
            return Err(ServiceError(format!("the request `{id}` was answered before")));
        }
        answers.push((id.to_owned(), response));
        Ok(())
    }
}

/// Stores in memory; the persistent ones answer later, when their gate is open.
#[derive(Default)]
pub struct MemoryStores {
    stores: Mutex<HashMap<(StoreName, bool), Arc<MemoryStore>>>,
    pub gate: Arc<Gate>,
}

#[derive(Default)]
struct MemoryStore {
    values: Mutex<HashMap<String, (Value, Option<Timestamp>)>>,
    gate: Option<Arc<Gate>>,
}

impl MemoryStore {
    fn answer(&self, existed: bool) -> Stored {
        match &self.gate {
            Some(gate) => Stored::Later(gate.answer(Ok(existed))),
            None => Stored::Now(Ok(existed)),
        }
    }
}

impl Stores for MemoryStores {
    fn open(&self, store: &StoreName, persistent: bool) -> Result<Arc<dyn Store>, ServiceError> {
        let mut stores = self.stores.lock().unwrap();
        let gate = persistent.then(|| Arc::clone(&self.gate));
        let new = || Arc::new(MemoryStore { gate, ..MemoryStore::default() });
        Ok(stores.entry((store.clone(), persistent)).or_insert_with(new).clone())
    }
}

impl Store for MemoryStore {
    fn get(&self, now: Now, key: &str) -> Result<Option<Value>, ServiceError> {
        let values = self.values.lock().unwrap();
        let live = |expires: &Option<Timestamp>| expires.is_none_or(|expires| now.wall < expires);
        Ok(values.get(key).filter(|(_, expires)| live(expires)).map(|(value, _)| value.clone()))
    }

    fn set(&self, now: Now, key: &str, value: Value, ttl: Option<Duration>) -> Stored {
        let expires = ttl.map(|ttl| now.wall.saturating_add(ttl));
        let old = self.values.lock().unwrap().insert(key.to_owned(), (value, expires));
        self.answer(old.is_some())
    }

    fn delete(&self, _: Now, key: &str) -> Stored {
        let old = self.values.lock().unwrap().remove(key);
        self.answer(old.is_some())
    }
}

/// Queues that are there by being named, but for `absent`; what is put goes on when the gate is open.
#[derive(Default)]
pub struct MemoryQueues {
    pub put: Mutex<Vec<(QueueName, Publication)>>,
    pub gate: Arc<Gate>,
    messages: Queue<QueueMessage>,
    pub settled: Arc<Mutex<Vec<Outcome>>>,
    pub closed: Arc<Mutex<bool>>,
}

impl MemoryQueues {
    /// A message that waits for whoever consumes.
    pub fn send(&self, publication: Publication) {
        let settled = Arc::clone(&self.settled);
        let receipt = Receipt::new(move |outcome| settled.lock().unwrap().push(outcome));
        let message = QueueMessage { publication: Arc::new(publication), delivery: 2, receipt };
        self.messages.lock().unwrap().push_back(message);
    }
}

impl Queues for MemoryQueues {
    fn consume(&self, queue: &QueueName, _: usize) -> Result<Box<dyn ConsumerInbox<QueueMessage>>, ServiceError> {
        if queue.as_str() == "absent" {
            return Err(ServiceError("there is no queue `absent`".to_owned()));
        }
        Ok(Box::new(MemoryQueueInbox(MemoryInbox(Arc::clone(&self.messages)), Arc::clone(&self.closed))))
    }

    fn put(
        &self,
        _: Now,
        queue: &QueueName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        if queue.as_str() == "absent" {
            return Err(ServiceError("there is no queue `absent`".to_owned()));
        }
        self.put.lock().unwrap().push((queue.clone(), publication));
        Ok(self.gate.answer(Ok(())))
    }
}

/// Streams that are there by being named, but for `absent`; what is appended goes on when the gate is open.
#[derive(Default)]
pub struct MemoryStreams {
    pub appended: Mutex<Vec<(StreamName, Publication)>>,
    pub gate: Arc<Gate>,
    pub asked: Mutex<Vec<ReadRequest>>,
    messages: Queue<StreamMessage>,
    pub settled: Arc<Mutex<Vec<Outcome>>>,
}

impl MemoryStreams {
    /// A message on `plant/1` that waits for whoever reads.
    pub fn send(&self, offset: u64, missing: u64, payload: &'static [u8]) {
        let topic = TopicName::parse("plant/1").unwrap();
        let payload = message::Bytes::from_static(payload);
        let publication = Publication::new(topic, payload, message::QoS::AtLeastOnce, now(0).wall);
        let settled = Arc::clone(&self.settled);
        let receipt = Receipt::new(move |outcome| settled.lock().unwrap().push(outcome));
        let publication = Arc::new(publication);
        let message = StreamMessage { publication, offset, appended_at: now(0).wall, missing, receipt };
        self.messages.lock().unwrap().push_back(message);
    }
}

impl Streams for MemoryStreams {
    fn append(
        &self,
        _: Now,
        stream: &StreamName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        if stream.as_str() == "absent" {
            return Err(ServiceError("there is no stream `absent`".to_owned()));
        }
        self.appended.lock().unwrap().push((stream.clone(), publication));
        Ok(self.gate.answer(Ok(())))
    }

    fn read(
        &self,
        stream: &StreamName,
        request: ReadRequest,
    ) -> Result<Box<dyn ConsumerInbox<StreamMessage>>, ServiceError> {
        if stream.as_str() == "absent" {
            return Err(ServiceError("there is no stream `absent`".to_owned()));
        }
        self.asked.lock().unwrap().push(request);
        Ok(Box::new(MemoryInbox(Arc::clone(&self.messages))))
    }
}

impl ConsumerInbox<StreamMessage> for MemoryInbox<StreamMessage> {
    fn poll_take(&mut self, _: &mut Context<'_>, room: usize, taken: &mut Vec<StreamMessage>) {
        self.take(room, taken);
    }

    fn close(&mut self) {
        self.0.lock().unwrap().clear();
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

struct MemoryQueueInbox(MemoryInbox<QueueMessage>, Arc<Mutex<bool>>);

impl ConsumerInbox<QueueMessage> for MemoryQueueInbox {
    fn poll_take(&mut self, _: &mut Context<'_>, room: usize, taken: &mut Vec<QueueMessage>) {
        self.0.take(room, taken);
    }

    fn close(&mut self) {
        *self.1.lock().unwrap() = true;
    }

    fn waiting(&self) -> usize {
        self.0.0.lock().unwrap().len()
    }
}

/// Keeps what was shown and logged.
#[derive(Debug, Default)]
pub struct MemoryDebug {
    pub shown: Mutex<Vec<Value>>,
    pub logged: Mutex<Vec<String>>,
}

impl DebugSink for MemoryDebug {
    fn show(&self, _: Now, _: &ModuleId, value: &Value) {
        self.shown.lock().unwrap().push(value.clone());
    }

    fn log(&self, _: Now, module: &ModuleId, level: LogLevel, text: &str) {
        self.logged.lock().unwrap().push(format!("{level:?} {module}: {text}"));
    }
}

struct FixedEnvironment;

impl Environment for FixedEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "PLANT").then(|| "north".to_owned())
    }

    fn secret(&self, name: &str) -> Result<String, ServiceError> {
        if name == "example-token" {
            return Ok("opensesame".to_owned());
        }
        Err(ServiceError(format!("there is no secret `{name}`")))
    }

    fn seed(&self) -> u64 {
        7
    }

    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::fixed(jiff::tz::offset(1))
    }
}

struct InstantTimers;

impl Timers for InstantTimers {
    fn sleep(&self, _: Duration) -> Answer<()> {
        Box::pin(std::future::ready(()))
    }
}
