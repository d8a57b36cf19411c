//! The messages of a queue: looked at, thrown away, put back where they died.

use ::message::{Publication, Timestamp};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use broker::queue::{MessageState, Ordinal, Peeked};
use message::limits;
use serde::{Deserialize, Serialize};

use super::{queue, queue_name};
use crate::api::ApiState;
use crate::api::query::Asked;
use crate::clock;
use crate::destinations::{RequeueError, Requeued};
use crate::http::Problem;

/// Which messages to look at.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct MessagesAsked {
    /// `next` of the page before.
    #[serde(default)]
    from: u64,
    /// Messages in a page at most, 1 to 1,000.
    #[serde(default)]
    max: Option<usize>,
}

/// Some messages of a queue, the oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Messages {
    messages: Vec<PeekedMessage>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// A message that someone looks at.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct PeekedMessage {
    /// Its place in the queue.
    id: u64,
    /// `waiting`, `delayed`, `in-flight`, or `dead`: on its way to the dead letters.
    state: &'static str,
    /// How often it was delivered.
    deliveries: u32,
    message: Message,
}

/// A message. Its payload is in one of two fields.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Message {
    topic: String,
    /// When it was published, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    published_at: Timestamp,
    /// The payload, when it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// The payload in base64, when it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Names and values, in their order; a name may occur more than once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<[String; 2]>,
}

/// Which dead letters to put back.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RequeueAsked {
    /// Only the message with this id.
    #[serde(default)]
    id: Option<u64>,
}

/// How many messages were thrown away.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct PurgedMessages {
    purged: u64,
}

/// Looks at messages without taking them.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/messages", tag = "queues", params(("queue" = String, Path), MessagesAsked),
    responses((status = 200, body = Messages), (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json")),
)]
pub(in crate::api) async fn peek(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<MessagesAsked>,
) -> Result<Json<Messages>, Problem> {
    let max = asked.max.unwrap_or(limits::API_PAGE_MESSAGES).clamp(1, limits::API_PAGE_MESSAGES_MAX);
    let (peeked, read_on) = queue(&api, &name)?.peek(Ordinal(asked.from), max).map_err(Problem::internal)?;
    let messages = peeked.into_iter().map(PeekedMessage::from).collect();
    Ok(Json(Messages { messages, next: read_on.more.then_some(read_on.from.0) }))
}

/// Throws away all messages that wait; those that consumers have stay.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/messages", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = PurgedMessages), (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json")),
)]
pub(in crate::api) async fn purge(
    State(api): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Json<PurgedMessages>, Problem> {
    let purged = queue(&api, &name)?.purge().await.map_err(Problem::internal)?;
    Ok(Json(PurgedMessages { purged }))
}

/// Throws one message away.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/messages/{id}", tag = "queues",
    params(("queue" = String, Path), ("id" = u64, Path)),
    responses(
        (status = 204, description = "The message is gone."),
        (status = 404, description = "There is no such message, or a consumer has it.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn discard(
    State(api): State<ApiState>,
    Path((name, id)): Path<(String, u64)>,
) -> Result<StatusCode, Problem> {
    if queue(&api, &name)?.discard(Ordinal(id)).map_err(Problem::internal)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(format!("queue `{name}` has no message {id}, or a consumer has it")))
    }
}

/// Puts dead letters back into the queues in which they died. Those that came from nowhere else stay.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/requeue", tag = "queues", params(("queue" = String, Path), RequeueAsked),
    responses(
        (status = 200, body = Requeued),
        (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "A queue is full: the rest stays.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn requeue(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<RequeueAsked>,
) -> Result<Json<Requeued>, Problem> {
    let name = queue_name(&name)?;
    let requeued = api.destinations.requeue(clock::now(), &name, asked.id.map(Ordinal)).await;
    requeued.map(Json).map_err(|error| match error {
        RequeueError::Unknown(_) => Problem::not_found(error),
        RequeueError::Put(error) => error.into(),
        RequeueError::Read(_) | RequeueError::Poisoned(_) => Problem::internal(error),
    })
}

impl From<Peeked> for PeekedMessage {
    fn from(peeked: Peeked) -> Self {
        Self {
            id: peeked.stored.ordinal.0,
            state: match peeked.state {
                MessageState::Waiting => "waiting",
                MessageState::Delayed => "delayed",
                MessageState::InFlight(_) => "in-flight",
                MessageState::Dead => "dead",
            },
            deliveries: peeked.stored.deliveries,
            message: Message::from(&*peeked.stored.publication),
        }
    }
}

impl From<&Publication> for Message {
    fn from(publication: &Publication) -> Self {
        let properties = publication.properties.as_deref();
        let text = std::str::from_utf8(&publication.payload).ok();
        let user_properties = properties.map(|properties| &properties.user_properties[..]).unwrap_or_default();
        Self {
            topic: publication.topic.as_str().to_owned(),
            published_at: publication.published_at,
            payload: text.map(str::to_owned),
            payload_base64: text.is_none().then(|| BASE64.encode(&publication.payload)),
            content_type: properties.and_then(|properties| properties.content_type.as_ref()).map(ToString::to_string),
            user_properties: user_properties
                .iter()
                .map(|(name, value)| [name.to_string(), value.to_string()])
                .collect(),
        }
    }
}
