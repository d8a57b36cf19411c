//! Flows: drafts, versions, what runs and how.

mod draft;
mod figures;
mod life;
mod show;
mod text;
mod version;

use axum::extract::DefaultBodyLimit;
use message::{FlowId, limits};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use crate::http::Problem;

/// Everything below `/api/v1/flows`.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(show::list))
        .routes(routes!(show::show, draft::put, life::remove))
        .routes(routes!(draft::check))
        .routes(routes!(life::deploy))
        .routes(routes!(life::start))
        .routes(routes!(life::stop))
        .routes(routes!(version::list))
        .routes(routes!(version::show))
        .routes(routes!(show::debug))
        // Twice the flow's own limit: JSON needs more room than TOML, and the flow's reader tells its limit better.
        .layer(DefaultBodyLimit::max(2 * limits::FLOW_FILE_BYTES_MAX))
}

fn flow_id(text: &str) -> Result<FlowId, Problem> {
    FlowId::parse(text).map_err(Problem::bad_request)
}
