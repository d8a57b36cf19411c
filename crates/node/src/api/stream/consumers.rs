//! The named consumers of a stream: moved and forgotten.

use ::message::ConsumerName;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::stream;
use crate::api::ApiState;
use crate::api::body::Body;
use crate::destinations::{ConsumerError, NodeStream, Position, consumer_name};
use crate::http::Problem;

/// Where a consumer shall go on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SeekAsked {
    /// `earliest`, `latest`, an offset as in `42`, or a time as in `time:2026-01-31T12:00:00Z`.
    offset: String,
}

/// Where a consumer is now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Sought {
    offset: u64,
}

/// Moves a consumer, or makes one. The answer comes when that is on disk; what its readers have already is theirs.
#[utoipa::path(
    put, path = "/api/v1/streams/{stream}/consumers/{consumer}", tag = "streams",
    params(("stream" = String, Path), ("consumer" = String, Path)), request_body = SeekAsked,
    responses(
        (status = 200, body = Sought),
        (status = 400, description = "There is no such place in a stream.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such stream, or no such session.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn seek(
    State(api): State<ApiState>,
    Path((name, consumer)): Path<(String, String)>,
    Body(asked): Body<SeekAsked>,
) -> Result<Json<Sought>, Problem> {
    let stream = stream(&api, &name)?;
    let consumer = known(&stream, &consumer)?;
    let position: Position = asked.offset.parse().map_err(Problem::bad_request)?;
    Ok(Json(Sought { offset: stream.seek(&consumer, position).await? }))
}

/// Forgets a consumer and its place. Readers that it has begin anew within a second, as if they had just come.
#[utoipa::path(
    delete, path = "/api/v1/streams/{stream}/consumers/{consumer}", tag = "streams",
    params(("stream" = String, Path), ("consumer" = String, Path)),
    responses(
        (status = 204, description = "The consumer is gone."),
        (status = 404, description = "There is no such stream or consumer.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn forget(
    State(api): State<ApiState>,
    Path((name, consumer)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let stream = stream(&api, &name)?;
    let consumer = ConsumerName::parse(&consumer).map_err(Problem::bad_request)?;
    if stream.forget(&consumer).await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_consumer(&stream, &consumer)) }
}

/// A group that may be made, or a session that is there.
fn known(stream: &NodeStream, text: &str) -> Result<ConsumerName, Problem> {
    let name = ConsumerName::parse(text).map_err(Problem::bad_request)?;
    match consumer_name(text) {
        Err(ConsumerError::Reserved) if !stream.has_consumer(&name) => Err(no_consumer(stream, &name)),
        _ => Ok(name),
    }
}

fn no_consumer(stream: &NodeStream, name: &ConsumerName) -> Problem {
    Problem::not_found(format!("stream `{}` has no consumer `{name}`", stream.name()))
}

impl From<ConsumerError> for Problem {
    fn from(error: ConsumerError) -> Self {
        match error {
            ConsumerError::Position(_) | ConsumerError::Name(_) | ConsumerError::Reserved => Self::bad_request(error),
            ConsumerError::TooMany | ConsumerError::Full(_) | ConsumerError::Removed => {
                Self::new(StatusCode::CONFLICT, error)
            }
            ConsumerError::Read(error) => Self::internal(error),
            ConsumerError::Write(error) => error.into(),
        }
    }
}
