//! Deploying, starting, stopping and removing flows.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use serde::{Deserialize, Serialize};

use super::flow_id;
use crate::api::body::Body;
use crate::api::{ApiState, FlowProblem};
use crate::http::Problem;
use crate::library::{ChangeError, DeployFrom, DeployRequest};

/// What to deploy. No body means the draft, without a note.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeployAsked {
    /// A version that was deployed before; the draft when absent.
    version: Option<u64>,
    /// What people shall read about the new version.
    note: String,
}

/// A version that runs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeployAnswer {
    version: u64,
    /// What is hardly meant, but does not keep the flow from running.
    problems: Vec<FlowProblem>,
}

/// Makes a new version and switches to it without losing a message. On an error what runs goes on.
#[utoipa::path(
    post, path = "/api/v1/flows/{id}/deploy", tag = "flows",
    params(("id" = String, Path)), request_body = Option<DeployAsked>,
    responses(
        (status = 200, body = DeployAnswer),
        (status = 404, description = "There is no such flow or version.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The flow cannot run as it is written.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn deploy(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<DeployAnswer>, Problem> {
    let id = flow_id(&id)?;
    let asked = optional_body(request, &api).await?;
    api.library.show(&id)?;
    let note = asked.note.chars().take(NOTE_CHARACTERS_MAX).collect();
    let request = DeployRequest {
        from: asked.version.map_or(DeployFrom::Draft, DeployFrom::Version),
        author: "api".to_owned(),
        note,
    };
    let library = Arc::clone(&api.library);
    let deployed = to_the_end(async move { library.deploy(&id, request).await }).await?;
    Ok(Json(DeployAnswer { version: deployed.version, problems: FlowProblem::list(&deployed.warnings) }))
}

/// Does the work on a task of its own: a caller that goes away must not leave it half done.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ChangeError>> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::spawn(work).await;
    Ok(done.map_err(|_| Problem::internal("the change broke down; look at the flow's state"))??)
}

/// Longer notes are cut.
const NOTE_CHARACTERS_MAX: usize = 1_000;

async fn optional_body(request: Request, api: &ApiState) -> Result<DeployAsked, Problem> {
    let headers = request.headers();
    let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    if is_empty && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(DeployAsked::default());
    }
    Body::from_request(request, api).await.map(|Body(asked)| asked)
}

/// Starts the deployed version, now and after every restart of the node.
#[utoipa::path(
    post, path = "/api/v1/flows/{id}/start", tag = "flows", params(("id" = String, Path)),
    responses(
        (status = 204, description = "The flow runs."),
        (status = 404, description = "There is no such flow.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No version is deployed.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn start(State(api): State<ApiState>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (library, id) = (Arc::clone(&api.library), flow_id(&id)?);
    to_the_end(async move { library.start(&id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops a flow, now and after every restart of the node; it ends what it has begun.
#[utoipa::path(
    post, path = "/api/v1/flows/{id}/stop", tag = "flows", params(("id" = String, Path)),
    responses(
        (status = 204, description = "The flow is stopped."),
        (status = 404, description = "There is no such flow.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No version is deployed.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn stop(State(api): State<ApiState>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (library, id) = (Arc::clone(&api.library), flow_id(&id)?);
    to_the_end(async move { library.stop(&id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops a flow and forgets its draft and versions.
#[utoipa::path(
    delete, path = "/api/v1/flows/{id}", tag = "flows", params(("id" = String, Path)),
    responses(
        (status = 204, description = "The flow is gone."),
        (status = 404, description = "There is no such flow.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn remove(State(api): State<ApiState>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (library, id) = (Arc::clone(&api.library), flow_id(&id)?);
    to_the_end(async move { library.remove(&id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
