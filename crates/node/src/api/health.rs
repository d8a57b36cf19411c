//! Whether the node lives, whether it is ready, and which version it is: without a token, for probes.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::ApiState;
use crate::http::Problem;

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "node", security(()), responses((status = 200, description = "The process answers.")))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// All flows that shall run have been started, and all that is to be kept can be written.
#[utoipa::path(
    get, path = "/readyz", tag = "node", security(()),
    responses(
        (status = 200, description = "All flows that shall run have been started, and all that is to be kept can be written. Streams whose files could not be opened are named behind the first line, and so is a disk that is full: all else goes on."),
        (status = 503, description = "The node starts or stops, or a write to its files failed: then it takes nothing more that needs these until it is started again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(api): State<ApiState>) -> Result<String, Problem> {
    let unavailable = |detail: &str| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    if !api.is_ready() {
        return unavailable("the node starts or stops; ask again in a moment");
    }
    match failures(&api)[..] {
        [] => Ok(shortcomings(&api).into_iter().fold("ok\n".to_owned(), |said, reason| said + &reason + "\n")),
        ref failures => unavailable(&failures.join("\n")),
    }
}

/// What does not keep the node from being ready, and should be known.
fn shortcomings(api: &ApiState) -> Vec<String> {
    let mut all = api.destinations.all_unavailable();
    if api.disk_is_full.load(Ordering::Relaxed) {
        all.push("the disk is full: what is to be kept on it is refused until there is room".to_owned());
    }
    all
}

/// What takes nothing more since a write or a sync failed.
fn failures(api: &ApiState) -> Vec<String> {
    let tables = api.tables.failure().map(|failure| failure.to_string());
    let spool = api.spool.failure().map(|failure| failure.to_string());
    let streams = api.destinations.stream_failures().into_iter().map(|failure| failure.to_string());
    tables.into_iter().chain(spool).chain(streams).collect()
}

/// Which program this is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Version {
    name: &'static str,
    version: &'static str,
}

/// Which version of the program runs.
#[utoipa::path(get, path = "/version", tag = "node", security(()), responses((status = 200, body = Version)))]
pub(super) async fn version() -> Json<Version> {
    Json(Version { name: "headwater", version: env!("CARGO_PKG_VERSION") })
}
