//! The versions of a flow: numbered, never changed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use message::Timestamp;
use serde::Serialize;

use super::flow_id;
use super::text::wants_toml;
use crate::api::{ApiState, FlowProblem};
use crate::http::{Problem, TOML};
use crate::library::FlowText;

/// The versions of a flow that are kept, the oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Versions {
    versions: Vec<VersionInfo>,
}

/// What is known of one version.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VersionInfo {
    /// From 1 on.
    version: u64,
    /// When it was deployed first, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// `api`, or `file` with the name of the flow file.
    author: String,
    note: String,
    /// Whether this is the deployed one.
    deployed: bool,
}

/// One version.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VersionShown {
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    author: String,
    note: String,
    /// The flow, as the schema Flow describes it.
    #[schema(value_type = Object)]
    flow: serde_json::Value,
}

/// Lists the versions of a flow.
#[utoipa::path(
    get, path = "/api/v1/flows/{id}/versions", tag = "flows", params(("id" = String, Path)),
    responses(
        (status = 200, body = Versions),
        (status = 404, description = "There is no such flow.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<Versions>, Problem> {
    let id = flow_id(&id)?;
    let deployed = api.library.show(&id)?.marks.deployed;
    let versions = api.library.versions(&id)?.into_iter().map(|version| VersionInfo {
        version: version.number,
        created: version.created,
        author: version.author,
        note: version.note,
        deployed: deployed == Some(version.number),
    });
    Ok(Json(Versions { versions: versions.collect() }))
}

/// Gives one version: as JSON, or the flow file with `Accept: application/toml`.
#[utoipa::path(
    get, path = "/api/v1/flows/{id}/versions/{number}", tag = "flows",
    params(("id" = String, Path), ("number" = u64, Path)),
    responses(
        (status = 200, content((VersionShown = "application/json"), (String = "application/toml"))),
        (status = 404, description = "There is no such flow or version.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn show(
    State(api): State<ApiState>,
    Path((id, number)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = flow_id(&id)?;
    let version = api.library.version(&id, number)?;
    let text = FlowText { format: version.format, text: version.text };
    if wants_toml(&headers) {
        return Ok(([(CONTENT_TYPE, TOML)], in_toml(text)?).into_response());
    }
    let (created, author, note) = (version.created, version.author, version.note);
    Ok(Json(VersionShown { version: number, created, author, note, flow: in_json(&text)? }).into_response())
}

/// The flow that a kept text describes. One that an older program wrote may be told as wrong by this one.
pub(super) fn in_json(text: &FlowText) -> Result<serde_json::Value, Problem> {
    match text.read() {
        Ok(flow) => serde_json::to_value(&flow).map_err(Problem::internal),
        Err(problems) => Err(Problem::wrong_flow("the kept text is no flow any more", FlowProblem::list(&problems))),
    }
}

pub(super) fn in_toml(text: FlowText) -> Result<String, Problem> {
    text.into_toml().map_err(|problems| {
        let detail = "TOML cannot say what this flow says: ask for `Accept: application/json`";
        Problem::wrong_flow(detail, FlowProblem::list(&problems))
    })
}
