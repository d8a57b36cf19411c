//! Services that a story does without: no HTTP, no debug panel, no environment.

use flow::services::{
    Answer, ConsumerInbox, DebugSink, EndpointRequest, Endpoints, Environment, HttpInbox, HttpResponse, LogLevel,
    QueueMessage, Queues, ReadRequest, ServiceError, StreamMessage, Streams,
};
use message::{ModuleId, Now, Publication, QueueName, StreamName, Value};

pub(super) struct NoEndpoints;

impl Endpoints for NoEndpoints {
    fn open(&self, _: &ModuleId, _: EndpointRequest) -> Result<Box<dyn HttpInbox>, ServiceError> {
        Err(ServiceError("a simulated node opens no HTTP endpoints".to_owned()))
    }

    fn respond(&self, id: &str, _: HttpResponse) -> Result<(), ServiceError> {
        Err(ServiceError(format!("there is no request `{id}`")))
    }
}

pub(super) struct NoQueues;

impl Queues for NoQueues {
    fn consume(&self, queue: &QueueName, _: usize) -> Result<Box<dyn ConsumerInbox<QueueMessage>>, ServiceError> {
        Err(ServiceError(format!("a simulated node has no queue `{queue}`")))
    }

    fn put(&self, _: Now, queue: &QueueName, _: Publication) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        Err(ServiceError(format!("a simulated node has no queue `{queue}`")))
    }
}

pub(super) struct NoStreams;

impl Streams for NoStreams {
    fn append(
        &self,
        _: Now,
        stream: &StreamName,
        _: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        Err(ServiceError(format!("a simulated node has no stream `{stream}`")))
    }

    fn read(&self, stream: &StreamName, _: ReadRequest) -> Result<Box<dyn ConsumerInbox<StreamMessage>>, ServiceError> {
        Err(ServiceError(format!("a simulated node has no stream `{stream}`")))
    }
}

pub(super) struct NoDebug;

impl DebugSink for NoDebug {
    fn show(&self, _: Now, _: &ModuleId, _: &Value) {}

    fn log(&self, _: Now, _: &ModuleId, _: LogLevel, _: &str) {}
}

pub(super) struct FixedEnvironment;

impl Environment for FixedEnvironment {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn secret(&self, name: &str) -> Result<String, ServiceError> {
        Err(ServiceError(format!("there is no secret `{name}`")))
    }

    fn seed(&self) -> u64 {
        1
    }
}
