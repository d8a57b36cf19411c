//! One endpoint of one flow version: the requests that wait for the flow, and the flow's hold on them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

use flow::services::{EndpointRequest, HttpInbox, HttpRequest};
use message::{FlowId, ModuleId, Text};
use parking_lot::Mutex;

use super::answers::Answers;
use super::pattern::PathPattern;

/// The verb of an endpoint that takes every one.
const ALL: &str = "ALL";

/// One endpoint of one flow version.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) flow: FlowId,
    pub(super) module: ModuleId,
    pub(super) pattern: PathPattern,
    pub(super) request: EndpointRequest,
    answers: Arc<Answers>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<HttpRequest>,
    waker: Option<Waker>,
    closed: bool,
}

/// Why an endpoint does not take a request.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// As many wait as may.
    Full,
    /// The node has switched to another version since the endpoint was looked up; the request is given back.
    Closed(Box<HttpRequest>),
}

impl Endpoint {
    pub(super) fn new(flow: &FlowId, module: &ModuleId, request: EndpointRequest, answers: &Arc<Answers>) -> Self {
        Self {
            flow: flow.clone(),
            module: module.clone(),
            pattern: PathPattern::new(&request.path),
            request,
            answers: Arc::clone(answers),
            queue: Mutex::default(),
        }
    }

    pub(super) fn takes_verb(&self, verb: &str) -> bool {
        self.request.verb == ALL || self.request.verb == verb
    }

    /// Whether both claim a path and verb.
    pub(super) fn collides_with(&self, other: &EndpointRequest) -> bool {
        self.request.path == other.path && (other.verb == ALL || self.takes_verb(&other.verb))
    }

    /// The verbs that it takes, for `Allow`.
    pub(super) fn verbs(&self) -> &str {
        if self.request.verb == ALL { "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" } else { &self.request.verb }
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.lock().requests.len() >= self.request.waiting_max
    }

    /// Hands a request to the flow.
    pub(super) fn push(&self, request: HttpRequest) -> Result<(), NotTaken> {
        let waker = {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Err(NotTaken::Closed(Box::new(request)));
            }
            if queue.requests.len() >= self.request.waiting_max {
                return Err(NotTaken::Full);
            }
            queue.requests.push_back(request);
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes back a request that the flow has not taken yet.
    pub(super) fn take_back(&self, id: &Text) {
        self.queue.lock().requests.retain(|request| request.id != *id);
    }

    /// Takes nothing new; what waits stays for the version that holds it.
    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
    }

    /// The version that held it has gone: whoever still waits to be taken is told so at once.
    pub(super) fn abandon(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        for request in queue.requests.drain(..) {
            self.answers.abandon(&request.id);
        }
    }
}

/// The flow's hold on an endpoint.
pub(super) struct EndpointInbox(pub(super) Arc<Endpoint>);

impl HttpInbox for EndpointInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<HttpRequest>) {
        let mut queue = self.0.queue.lock();
        let count = queue.requests.len().min(room);
        taken.extend(queue.requests.drain(..count));
        if count < room && !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            queue.waker = Some(cx.waker().clone());
        }
    }

    fn waiting(&self) -> usize {
        self.0.queue.lock().requests.len()
    }
}
