//! Streams: made, changed, looked at, removed. Their messages are in a file of their own beside this one.

mod consumers;
mod events;
mod messages;

use std::sync::Arc;

use ::message::{StreamName, Timestamp};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::body::Body;
use crate::destinations::{ConsumerState, NodeStream, NodeStreamState, Put, StreamSettings};
use crate::http::Problem;

/// The paths below `/api/v1/streams`.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, set, remove))
        .routes(routes!(messages::read, messages::append, messages::purge))
        .routes(routes!(consumers::seek, consumers::forget))
}

/// All streams.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Streams {
    streams: Vec<Stream>,
}

/// One stream: how it is set and how it is. Counts begin with the start of the node.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stream {
    name: String,
    /// When it was made, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    settings: StreamSettings,
    /// Whether the configuration sets it, where alone it can be changed or removed.
    configured: bool,
    /// Messages in it.
    messages: u64,
    /// Bytes of its files.
    bytes: u64,
    /// The first offset that is kept.
    earliest: u64,
    /// What the next message gets.
    next: u64,
    /// Messages that went as they were too many or too old.
    trimmed: u64,
    /// Messages that were thrown away.
    purged: u64,
    /// Messages that were missing at its end at the start, and damaged records that reads passed over, each time.
    damaged: u64,
    /// Messages that found no room on the disk; publishers of QoS 1 and 2 were told.
    refused: u64,
    /// Why it takes no more messages until the node is started again: a write to its files failed, or they could not be
    /// opened; then the figures are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// Those who read it with a cursor that lasts.
    consumers: Vec<StreamConsumer>,
}

/// A named consumer: a group, or a session of an MQTT client.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct StreamConsumer {
    /// The name of the group; `session-` and a number for a session.
    name: String,
    /// The first message that it has not acknowledged.
    offset: u64,
    /// Messages that it has not acknowledged.
    lag: u64,
    /// Readers now.
    members: usize,
    /// Messages that these have.
    in_flight: usize,
    /// Messages that were passed over since the node started, as no reader could or would take them.
    skipped: u64,
}

/// Lists the streams with their figures.
#[utoipa::path(get, path = "/api/v1/streams", tag = "streams", responses((status = 200, body = Streams)))]
pub(super) async fn list(State(api): State<ApiState>) -> Json<Streams> {
    let streams = api.destinations.stream_states().into_iter();
    Json(Streams { streams: streams.map(|state| Stream::of(&api, state)).collect() })
}

/// Shows a stream.
#[utoipa::path(
    get, path = "/api/v1/streams/{stream}", tag = "streams", params(("stream" = String, Path)),
    responses((status = 200, body = Stream), (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn show(State(api): State<ApiState>, Path(name): Path<String>) -> Result<Json<Stream>, Problem> {
    let name = stream_name(&name)?;
    let state = api.destinations.stream_states().into_iter().find(|state| state.name == name);
    Ok(Json(Stream::of(&api, state.ok_or_else(|| no_stream(&name))?)))
}

/// Makes a stream or changes it: settings that are left out have their defaults. Messages stay, as far as these keep them.
#[utoipa::path(
    put, path = "/api/v1/streams/{stream}", tag = "streams", params(("stream" = String, Path)), request_body = StreamSettings,
    responses(
        (status = 201, description = "The stream is new."),
        (status = 204, description = "The stream has these settings now."),
        (status = 400, description = "The settings cannot be so.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The configuration sets it.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn set(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Body(settings): Body<StreamSettings>,
) -> Result<StatusCode, Problem> {
    Ok(match api.destinations.put_stream(&stream_name(&name)?, &settings).await? {
        Put::Made => StatusCode::CREATED,
        Put::Changed => StatusCode::NO_CONTENT,
    })
}

/// Removes a stream with all its messages.
#[utoipa::path(
    delete, path = "/api/v1/streams/{stream}", tag = "streams", params(("stream" = String, Path)),
    responses(
        (status = 204, description = "The stream is gone."),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The configuration sets it.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn remove(State(api): State<ApiState>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let name = stream_name(&name)?;
    if api.destinations.remove_stream(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_stream(&name)) }
}

fn stream_name(text: &str) -> Result<StreamName, Problem> {
    StreamName::parse(text).map_err(Problem::bad_request)
}

fn stream(api: &ApiState, text: &str) -> Result<Arc<NodeStream>, Problem> {
    let name = stream_name(text)?;
    api.destinations.stream(&name).ok_or_else(|| match api.destinations.unavailable(&name) {
        Some(reason) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason),
        None => no_stream(&name),
    })
}

fn no_stream(name: &StreamName) -> Problem {
    Problem::not_found(format!("there is no stream `{name}`: make it with PUT /api/v1/streams/{name}"))
}

impl From<ConsumerState> for StreamConsumer {
    fn from(consumer: ConsumerState) -> Self {
        Self {
            name: consumer.name.to_string(),
            offset: consumer.group.cursor,
            lag: consumer.group.lag,
            members: consumer.group.members,
            in_flight: consumer.group.in_flight,
            skipped: consumer.group.skipped,
        }
    }
}

impl Stream {
    fn of(api: &ApiState, state: NodeStreamState) -> Self {
        Self {
            configured: api.destinations.is_configured_stream(&state.name),
            name: state.name.to_string(),
            created: state.stored.created,
            settings: StreamSettings::from(&state.stored.options),
            messages: state.log.messages,
            bytes: state.log.bytes,
            earliest: state.log.earliest.0,
            next: state.log.next.0,
            trimmed: state.log.trimmed,
            purged: state.purged,
            damaged: state.log.damaged,
            refused: state.refused,
            failure: state.failure,
            consumers: state.consumers.into_iter().map(StreamConsumer::from).collect(),
        }
    }
}
