//! The HTTP API of the node, its metrics and its status page: what the web listener answers.
//! A file per resource; each handler carries its own description for the OpenAPI document.

mod access;
mod body;
mod flow;
mod flow_problem;
mod graph;
mod health;
mod host_guard;
mod metrics;
mod module;
mod node;
mod openapi;
mod publish;
mod query;
mod queue;
mod setup;
mod status_page;
mod store;
mod stream;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::store::table::Tables;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use message::limits;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::access::Access;
use self::body::Body;
pub(crate) use self::flow_problem::FlowProblem;
pub use self::openapi::openapi_json;
use crate::config::Config;
use crate::destinations::Destinations;
use crate::http::{EventStreams, Problem, complete_errors};
use crate::library::FlowLibrary;
use crate::mqtt::Mqtt;
use crate::run::Addresses;
use crate::unknown::Unknown;

/// What the handlers work on; cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct ApiState(Arc<Inner>);

/// The parts of the node that the API speaks to.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) access: Access,
    pub(crate) config: Arc<Config>,
    pub(crate) addresses: Addresses,
    pub(crate) library: Arc<FlowLibrary>,
    pub(crate) router: Arc<broker::Router>,
    pub(crate) mqtt: Arc<Mqtt>,
    pub(crate) tables: Tables,
    pub(crate) spool: ::store::spool::Spool,
    pub(crate) destinations: Arc<Destinations>,
    /// What the logs have that the tables did not know at the start.
    pub(crate) unknown: Unknown,
    /// Answers that go on.
    pub(crate) event_streams: EventStreams,
    /// There was no room lately for what is to be kept.
    pub(crate) disk_is_full: AtomicBool,
    /// All flows that shall run have been started, and the node does not stop.
    pub(crate) ready: AtomicBool,
}

impl ApiState {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}

impl Deref for ApiState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Everything that the web listener answers.
pub(crate) fn router(api: &ApiState) -> Router {
    let (open, _) = open_routes().split_for_parts();
    let (figures, _) = figure_routes().split_for_parts();
    let (guarded, _) = guarded_routes().split_for_parts();
    Router::new()
        .merge(status_page::routes())
        .merge(open)
        .merge(figures.route_layer(middleware::from_fn_with_state(api.clone(), access::require_token_off_loopback)))
        .merge(guarded.route_layer(middleware::from_fn_with_state(api.clone(), access::require_token)))
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES_MAX))
        .layer(middleware::from_fn(end_in_time))
        .layer(middleware::from_fn_with_state(api.clone(), host_guard::require_known_host))
        .layer(middleware::from_fn(complete_errors))
        .with_state(api.clone())
}

/// Answers without a token.
fn open_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::version))
        .routes(routes!(setup::exchange))
        .route("/api/v1/openapi.json", axum::routing::get(openapi::document))
}

/// Answers without a token when only this machine reaches the listener.
fn figure_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(metrics::metrics))
}

/// Answers with the token alone.
fn guarded_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(flow::routes())
        .merge(queue::routes())
        .merge(stream::routes())
        .routes(routes!(node::node))
        .routes(routes!(module::list))
        .routes(routes!(graph::graph))
        .routes(routes!(store::list))
        .routes(routes!(store::keys))
        .routes(routes!(store::get, store::put, store::delete))
        .routes(routes!(publish::publish))
}

async fn end_in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(limits::API_REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long; send it again").into_response(),
    }
}

/// Answers one request of the web listener.
pub(crate) async fn answer<B>(router: Router, request: hyper::Request<B>) -> Response
where
    B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    use tower::ServiceExt;

    match router.oneshot(request.map(axum::body::Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
