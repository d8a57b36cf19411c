//! The messages of a stream: appended, read from anywhere, thrown away.

use std::time::Duration;

use ::message::{ByteString, Publication, PublicationProperties, QoS, Timestamp, TopicName, limits};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use broker::Broken;
use serde::{Deserialize, Serialize};
use store::log::AppendError;
use store::stream::Streamed;

use super::events::events;
use super::stream;
use crate::api::query::Asked;
use crate::api::queue::message::Message;
use crate::api::{ApiState, body};
use crate::clock;
use crate::destinations::{Position, STREAM_TOPICS};
use crate::http::{Problem, asks_for_events};

/// Where to begin to read, how much, and how long to wait for the first message.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ReadAsked {
    /// `earliest`, `latest`, an offset, or a time as in `time:2026-01-31T12:00:00Z`; `earliest` when absent.
    #[serde(default)]
    offset: Option<String>,
    /// Messages at most, 1 to 1,000; 100 when absent.
    #[serde(default)]
    max: Option<usize>,
    /// Seconds to wait when there is none, up to 25; none when absent.
    #[serde(default)]
    wait_s: u64,
}

/// Some messages of a stream, in their order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct StreamMessages {
    messages: Vec<StreamMessage>,
    /// The offset to go on from.
    next: u64,
    /// Messages that are missing between where this began and `next`: retention took them, or their records are damaged.
    missing: u64,
}

/// A message as it stands in its stream.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct StreamMessage {
    pub(super) offset: u64,
    /// When it was appended, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    appended_at: Timestamp,
    message: Message,
}

/// How a message is appended.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct AppendAsked {
    /// The topic that readers see; `$stream/` and the name of the stream when absent.
    #[serde(default)]
    topic: Option<String>,
    /// Seconds after which MQTT clients and flows do not get the message any more.
    #[serde(default)]
    expiry_s: Option<u32>,
}

/// Where a message was appended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct StreamAppended {
    offset: u64,
}

/// How many messages were thrown away.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct PurgedStream {
    purged: u64,
}

/// Reads messages, and waits for the next one if it may. It changes nothing: others read the same.
///
/// With `Accept: text/event-stream` the answer goes on with server-sent events: what is there, then what comes, one for each
/// message, whose id is its offset; the data is the message as it stands in a page. Then `max` and `wait_s` make no
/// difference. A client that comes again with `Last-Event-ID` goes on behind that offset. A comment comes when it is quiet
/// for 15 seconds; the answer ends when the stream is removed or the node stops.
#[utoipa::path(
    get, path = "/api/v1/streams/{stream}/messages", tag = "streams", params(("stream" = String, Path), ReadAsked),
    responses(
        (status = 200, content((StreamMessages = "application/json"), (StreamMessage = "text/event-stream"))),
        (status = 400, description = "There is no such place in a stream.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "There are as many event streams as the node writes.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn read(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<ReadAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stream = stream(&api, &name)?;
    let position = asked.offset.as_deref().map_or(Ok(Position::Earliest), str::parse).map_err(Problem::bad_request)?;
    if asks_for_events(&headers) {
        return events(&api, stream, position, &headers);
    }
    let max = asked.max.unwrap_or(limits::API_PAGE_MESSAGES).clamp(1, limits::API_PAGE_MESSAGES_MAX);
    let wait = Duration::from_secs(asked.wait_s).min(limits::QUEUE_CONSUME_WAIT_MAX);
    let from = stream.offset_of(position).map_err(Problem::internal)?;
    let page = || stream.read(from, max, limits::STREAM_PAGE_BYTES_MAX).map_err(Problem::internal);
    let mut found = page()?;
    if found.0.is_empty() && !wait.is_zero() {
        // The time being over is as good an answer; and so is a disk that failed, as appending tells of it.
        let _ = tokio::time::timeout(wait, stream.readable(found.1.from)).await;
        found = page()?;
    }
    let (messages, read_on) = found;
    let messages = messages.iter().map(StreamMessage::from).collect();
    Ok(Json(StreamMessages { messages, next: read_on.from.0, missing: read_on.missing }).into_response())
}

/// Appends the body, whatever it is. The answer comes when the message is as safe as the stream promises.
#[utoipa::path(
    post, path = "/api/v1/streams/{stream}/messages", tag = "streams", params(("stream" = String, Path), AppendAsked),
    request_body(content = String, description = "The payload.", content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The stream has the message.", body = StreamAppended),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full: the message was not taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn append(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<AppendAsked>,
    request: Request,
) -> Result<Json<StreamAppended>, Problem> {
    let stream = stream(&api, &name)?;
    let topic = asked.topic.unwrap_or_else(|| format!("{STREAM_TOPICS}{name}"));
    let topic = TopicName::parse(&topic).map_err(Problem::bad_request)?;
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(ByteString::from);
    let properties =
        PublicationProperties { content_type, message_expiry_s: asked.expiry_s, ..PublicationProperties::default() };
    let payload = body::read(request, &api).await?;
    let now = clock::now();
    let mut publication = Publication::new(topic, payload, QoS::AtLeastOnce, now.wall);
    publication.properties = (properties != PublicationProperties::default()).then(|| Box::new(properties));
    let offset = stream.bring(now, publication).await.map_err(|error| refused(&error))?;
    Ok(Json(StreamAppended { offset: offset.0 }))
}

fn refused(error: &AppendError) -> Problem {
    match Broken::from(error) {
        Broken::NoRoom => Problem::new(StatusCode::INSUFFICIENT_STORAGE, error),
        Broken::Failed => Problem::internal(error),
    }
}

/// Throws away all messages that are there now. Offsets go on from where they were. The answer comes when it is on the disk.
#[utoipa::path(
    delete, path = "/api/v1/streams/{stream}/messages", tag = "streams", params(("stream" = String, Path)),
    responses((status = 200, body = PurgedStream), (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json")),
)]
pub(in crate::api) async fn purge(
    State(api): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Json<PurgedStream>, Problem> {
    let purged = stream(&api, &name)?.purge().await.map_err(Problem::internal)?;
    Ok(Json(PurgedStream { purged }))
}

impl From<&Streamed> for StreamMessage {
    fn from(streamed: &Streamed) -> Self {
        Self {
            offset: streamed.offset.0,
            appended_at: streamed.appended_at,
            message: Message::from(&streamed.publication),
        }
    }
}
