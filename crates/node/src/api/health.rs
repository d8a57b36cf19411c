//! Whether the node lives, whether it is ready, and which version it is: without a token, for probes.

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

/// All flows that shall run have been started.
#[utoipa::path(
    get, path = "/readyz", tag = "node", security(()),
    responses(
        (status = 200, description = "All flows that shall run have been started."),
        (status = 503, description = "The node starts or stops.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(api): State<ApiState>) -> Result<&'static str, Problem> {
    if api.is_ready() {
        Ok("ok\n")
    } else {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node starts or stops; ask again in a moment"))
    }
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
