//! Figures of the node for monitoring systems, in OpenMetrics text.

mod broker;
mod flow;
mod mqtt;
mod open_metrics;
mod process;
mod queue;
mod spool;
mod stream;
mod table;
mod unknown;

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;

use self::open_metrics::{Kind, OpenMetrics};
pub(super) use self::process::{Usage, usage};
use super::ApiState;

/// Figures of flows, modules, broker, tables and process, as OpenMetrics text. Without a token when the listener is on loopback.
#[utoipa::path(
    get, path = "/metrics", tag = "node", security(("token" = []), ()),
    responses((status = 200, body = String, content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(State(api): State<ApiState>) -> ([(HeaderName, &'static str); 1], String) {
    let mut metrics = OpenMetrics::default();
    metrics.family("headwater_build", Kind::Info, "", "Which program runs.");
    metrics.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    flow::write(&mut metrics, &api.library.states());
    broker::write(&mut metrics, &api.router.figures(), api.mqtt.figures.too_large.load(Ordering::Relaxed));
    mqtt::write(&mut metrics, &api.mqtt);
    table::write(&mut metrics, &api.tables.figures(), api.tables.failure().is_some());
    spool::write(&mut metrics, &api.spool.figures(), api.spool.shortages(), api.spool.failure().is_some());
    unknown::write(&mut metrics, api.unknown);
    queue::write(&mut metrics, &api.destinations.queue_states());
    stream::write(&mut metrics, &api.destinations.stream_states());
    process::write(&mut metrics);
    ([(CONTENT_TYPE, open_metrics::CONTENT_TYPE)], metrics.finish())
}
