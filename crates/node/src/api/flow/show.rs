//! Looking at flows: which there are, how they run, what their debug modules have seen.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName};
use axum::response::{IntoResponse, Response};
use message::Timestamp;
use serde::Serialize;

use super::figures::Figures;
use super::flow_id;
use super::text::wants_toml;
use super::version::{in_json, in_toml};
use crate::api::ApiState;
use crate::http::{Problem, TOML};
use crate::library::{DraftTag, FlowEntry, FlowText};

/// Every flow of the node.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Flows {
    flows: Vec<FlowSummary>,
}

/// One flow, as lists show it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FlowSummary {
    id: String,
    /// What people call it.
    name: String,
    /// `draft` (never deployed), `running`, `stopped`, `restarting` or `failed`.
    status: &'static str,
    /// Why, in words; empty when all is well.
    text: String,
    /// Since when, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// The deployed version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
}

/// One flow with its draft.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FlowShown {
    #[serde(rename = "flow")]
    summary: FlowSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<Draft>,
}

/// What a person works on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Draft {
    /// When it was changed last, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    changed: Timestamp,
    /// Whether it says something else than the deployed version.
    differs: bool,
    /// The flow, as the schema Flow describes it.
    #[schema(value_type = Object)]
    flow: serde_json::Value,
}

/// The last values that the debug modules of a flow have seen, the oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DebugValues {
    values: Vec<DebugValue>,
}

/// One value that a debug module has seen.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DebugValue {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    module: String,
    #[schema(value_type = Object)]
    value: message::Value,
}

/// Lists the flows.
#[utoipa::path(get, path = "/api/v1/flows", tag = "flows", responses((status = 200, body = Flows)))]
pub(super) async fn list(State(api): State<ApiState>) -> Result<Json<Flows>, Problem> {
    let entries = api.library.list()?;
    Ok(Json(Flows { flows: entries.iter().map(summary).collect() }))
}

/// Gives one flow: its state and draft as JSON, or the draft's flow file with `Accept: application/toml`.
#[utoipa::path(
    get, path = "/api/v1/flows/{id}", tag = "flows", params(("id" = String, Path)),
    responses(
        (status = 200, content((FlowShown = "application/json"), (String = "application/toml")),
         headers(("ETag" = String, description = "Names the state of the draft, for `If-Match`."))),
        (status = 404, description = "There is no such flow.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn show(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = flow_id(&id)?;
    let entry = api.library.show(&id)?;
    let Some(draft) = api.library.draft(&id)? else {
        return Ok(Json(FlowShown { summary: summary(&entry), draft: None }).into_response());
    };
    let tag: [(HeaderName, String); 1] = [(ETAG, format!("\"{}\"", DraftTag::of(&draft).as_str()))];
    let text = FlowText { format: draft.format, text: draft.text };
    if wants_toml(&headers) {
        return Ok((tag, [(CONTENT_TYPE, TOML)], in_toml(text)?).into_response());
    }
    let deployed = entry.marks.deployed.map(|number| api.library.version(&id, number)).transpose()?;
    let differs = deployed.is_none_or(|deployed| deployed.text != text.text);
    let draft = Draft { changed: draft.changed, differs, flow: in_json(&text)? };
    Ok((tag, Json(FlowShown { summary: summary(&entry), draft: Some(draft) })).into_response())
}

/// Gives the last values that the flow's debug modules have seen.
#[utoipa::path(
    get, path = "/api/v1/flows/{id}/debug", tag = "flows", params(("id" = String, Path)),
    responses(
        (status = 200, body = DebugValues),
        (status = 404, description = "There is no such flow.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn debug(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<DebugValues>, Problem> {
    let entries = api.library.debug(&flow_id(&id)?)?.into_iter();
    let values =
        entries.map(|entry| DebugValue { at: entry.at, module: entry.module.as_str().to_owned(), value: entry.value });
    Ok(Json(DebugValues { values: values.collect() }))
}

fn summary(entry: &FlowEntry) -> FlowSummary {
    let id = entry.id.as_str().to_owned();
    match &entry.state {
        Some(state) => FlowSummary {
            name: state.plan.flow.title().to_owned(),
            status: state.condition.status.name(),
            text: state.condition.text.clone(),
            since: Some(state.condition.since),
            version: Some(state.version),
            figures: Some(Figures::of(state)),
            id,
        },
        // A deployed version that cannot be planned any more is known by its number alone.
        None => {
            let status = if entry.marks.deployed.is_some() { "failed" } else { "draft" };
            let (name, text) = (id.clone(), entry.not_started.clone().unwrap_or_default());
            FlowSummary { id, name, status, text, since: None, version: entry.marks.deployed, figures: None }
        }
    }
}
