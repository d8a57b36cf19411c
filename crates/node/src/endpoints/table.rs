//! Which flow answers which path and verb. The table is an immutable snapshot: a switch from one flow version to the
//! next replaces it in one step, so that each request goes to exactly one of the two.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use flow::services::{EndpointRequest, Endpoints, HttpInbox, HttpResponse, ServiceError};
use message::{FlowId, ModuleId, Text, limits};
use parking_lot::Mutex;

use super::answers::Answers;
use super::endpoint::{Endpoint, EndpointInbox};

/// All live endpoints of the node.
#[derive(Default)]
pub struct EndpointTable {
    routes: ArcSwap<Routes>,
    changing: Mutex<()>,
    pub(super) answers: Arc<Answers>,
}

#[derive(Default)]
struct Routes {
    all: Vec<Arc<Endpoint>>,
    /// Those without `+` and `#`, by path: found without a search.
    exact: HashMap<Text, Vec<Arc<Endpoint>>>,
    /// The others, in the order in which they are asked.
    open: Vec<Arc<Endpoint>>,
}

/// What the table knows of a path and verb.
#[derive(Debug)]
pub(super) enum Found {
    Endpoint(Arc<Endpoint>),
    /// The path is taken, but for these verbs only.
    OtherVerbs(String),
    Nothing,
}

impl EndpointTable {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Makes the endpoints of one version live and those of another silent, in one step. Requests that wait for the old
    /// version stay with it.
    pub fn switch(&self, old: Option<&Arc<EndpointSet>>, new: Option<&Arc<EndpointSet>>) {
        let _changing = self.changing.lock();
        let endpoints =
            |set: Option<&Arc<EndpointSet>>| set.map(|set| set.endpoints.lock().clone()).unwrap_or_default();
        let (leaving, joining) = (endpoints(old), endpoints(new));
        let is_leaving = |one: &Arc<Endpoint>| leaving.iter().any(|leaving| Arc::ptr_eq(one, leaving));
        let staying = self.routes.load().all.iter().filter(|one| !is_leaving(one)).cloned().collect::<Vec<_>>();
        self.routes.store(Arc::new(Routes::new(staying.into_iter().chain(joining).collect())));
        // Whoever looked an old endpoint up before the switch finds it closed now, and looks again.
        for endpoint in &leaving {
            endpoint.close();
        }
    }

    /// The endpoint for a path, given without the leading slash. The path that says most is asked first; if it does not
    /// take the verb, the next.
    pub(super) fn find(&self, path: &str, verb: &str) -> Found {
        let routes = self.routes.load();
        let exact = routes.exact.get(path).into_iter().flatten();
        let open = routes.open.iter().filter(|endpoint| endpoint.pattern.matches(path));
        let mut verbs = Vec::new();
        for endpoint in exact.chain(open) {
            if endpoint.takes_verb(verb) {
                return Found::Endpoint(Arc::clone(endpoint));
            }
            verbs.push(endpoint.verbs());
        }
        if verbs.is_empty() { Found::Nothing } else { Found::OtherVerbs(verbs.join(", ")) }
    }

    /// Requests that wait for an answer now.
    pub fn waiting(&self) -> usize {
        self.answers.waiting()
    }

    fn collision(&self, flow: &FlowId, request: &EndpointRequest) -> Option<Arc<Endpoint>> {
        let routes = self.routes.load();
        routes.all.iter().find(|one| one.flow != *flow && one.collides_with(request)).cloned()
    }
}

impl fmt::Debug for EndpointTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointTable").field("endpoints", &self.routes.load().all.len()).finish_non_exhaustive()
    }
}

impl Routes {
    fn new(all: Vec<Arc<Endpoint>>) -> Self {
        let mut routes = Self { all, ..Self::default() };
        for endpoint in &routes.all {
            if endpoint.request.path.contains(['+', '#']) {
                routes.open.push(Arc::clone(endpoint));
            } else {
                routes.exact.entry(endpoint.request.path.clone()).or_default().push(Arc::clone(endpoint));
            }
        }
        routes.open.sort_by(|a, b| a.pattern.preference(&b.pattern));
        routes
    }
}

/// The endpoints of one version of a flow: opened while it is built, live from the switch to it on.
pub struct EndpointSet {
    table: Arc<EndpointTable>,
    flow: FlowId,
    endpoints: Mutex<Vec<Arc<Endpoint>>>,
}

impl EndpointSet {
    pub fn new(table: &Arc<EndpointTable>, flow: &FlowId) -> Arc<Self> {
        Arc::new(Self { table: Arc::clone(table), flow: flow.clone(), endpoints: Mutex::default() })
    }
}

impl Drop for EndpointSet {
    fn drop(&mut self) {
        for endpoint in self.endpoints.get_mut() {
            endpoint.abandon();
        }
    }
}

impl fmt::Debug for EndpointSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSet").field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl Endpoints for EndpointSet {
    fn open(&self, module: &ModuleId, request: EndpointRequest) -> Result<Box<dyn HttpInbox>, ServiceError> {
        let taken = |by: String| {
            ServiceError(format!(
                "path `/{}` is taken for verb {} by {by}: choose another path or verb, or stop the other",
                request.path, request.verb
            ))
        };
        if let Some(other) = self.table.collision(&self.flow, &request) {
            return Err(taken(format!("module `{}` of flow `{}`", other.module, other.flow)));
        }
        let mut endpoints = self.endpoints.lock();
        if let Some(other) = endpoints.iter().find(|one| one.collides_with(&request)) {
            // A version that is built again after a crash goes on with what waits.
            if other.module == *module {
                return Ok(Box::new(EndpointInbox(Arc::clone(other))));
            }
            return Err(taken(format!("module `{}` of this flow", other.module)));
        }
        if endpoints.len() >= limits::FLOW_MODULES_MAX {
            return Err(ServiceError(format!("the flow opens more than {} endpoints", limits::FLOW_MODULES_MAX)));
        }
        let endpoint = Arc::new(Endpoint::new(&self.flow, module, request, &self.table.answers));
        endpoints.push(Arc::clone(&endpoint));
        Ok(Box::new(EndpointInbox(endpoint)))
    }

    fn respond(&self, id: &str, response: HttpResponse) -> Result<(), ServiceError> {
        self.table.answers.respond(id, response)
    }
}
