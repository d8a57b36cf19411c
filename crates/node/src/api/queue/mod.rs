//! Queues: made, changed, looked at, removed. Their messages are in files of their own beside this one.

mod consume;
mod events;
pub(super) mod message;
mod put;

use std::sync::Arc;

use ::message::{QueueName, Timestamp};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use broker::queue::DeathReason;
use serde::Serialize;
use store::spool::DropReason;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::body::Body;
use crate::destinations::{ChangeError, NodeQueue, Put, PutError, QueueSettings, QueueState};
use crate::http::Problem;

/// The paths below `/api/v1/queues`.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, set, remove))
        .routes(routes!(message::peek, put::put, message::purge))
        .routes(routes!(message::discard))
        .routes(routes!(message::requeue))
        .routes(routes!(consume::consume, events::events))
        .routes(routes!(consume::acknowledge))
        .routes(routes!(consume::nack))
}

/// All queues.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Queues {
    queues: Vec<Queue>,
}

/// One queue: how it is set and how it is. Counts begin with the start of the node, but for what was dropped.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Queue {
    name: String,
    /// The flow whose durable subscription it is, or whose dead letters it has; nothing for a queue of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<String>,
    /// The module of that flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    /// When it was made, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    settings: QueueSettings,
    /// Whether the configuration sets it, where alone it can be changed or removed.
    configured: bool,
    /// Messages in it, those with consumers among them.
    messages: u64,
    /// About so many bytes of topics and payloads.
    bytes: u64,
    consumers: usize,
    /// Messages that consumers have.
    in_flight: usize,
    /// Messages that wait for the end of their delay, of those that were read for consumers so far.
    delayed: u64,
    delivered: u64,
    /// Deliveries that were not the first of their message.
    redelivered: u64,
    acknowledged: u64,
    /// Times that a consumer kept a message for too long.
    timed_out: u64,
    /// Messages that became dead letters.
    dead_lettered: u64,
    /// Dead letters that were dropped, as the queue has no place for them.
    discarded: u64,
    expired: u64,
    purged: u64,
    /// Messages that found the queue full; publishers of QoS 1 and 2 were told.
    refused: u64,
    dropped: Dropped,
    /// Why it takes no more messages until the node is started again: a write to its files failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// Messages that were dropped, by reason, since the queue was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Dropped {
    /// The oldest, for newer ones.
    oldest: u64,
    /// The newest, as there was no room.
    newest: u64,
    /// Too old.
    age: u64,
    /// Replaced by a newer one with the same topic.
    replaced: u64,
    /// Lost on the disk.
    damaged: u64,
}

/// Lists the queues with their figures.
#[utoipa::path(get, path = "/api/v1/queues", tag = "queues", responses((status = 200, body = Queues)))]
pub(super) async fn list(State(api): State<ApiState>) -> Json<Queues> {
    let queues = api.destinations.queue_states().into_iter();
    Json(Queues { queues: queues.map(|state| Queue::of(&api, state)).collect() })
}

/// Shows a queue.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = Queue), (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn show(State(api): State<ApiState>, Path(name): Path<String>) -> Result<Json<Queue>, Problem> {
    let state = queue(&api, &name)?.state();
    Ok(Json(Queue::of(&api, state)))
}

/// Makes a queue or changes it: settings that are left out have their defaults. Messages that wait stay.
#[utoipa::path(
    put, path = "/api/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)), request_body = QueueSettings,
    responses(
        (status = 201, description = "The queue is new."),
        (status = 204, description = "The queue has these settings now."),
        (status = 400, description = "The settings cannot be so.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It belongs to a flow, or the configuration sets it.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn set(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Body(settings): Body<QueueSettings>,
) -> Result<StatusCode, Problem> {
    Ok(match api.destinations.put_queue(&free_name(&name)?, &settings).await? {
        Put::Made => StatusCode::CREATED,
        Put::Changed => StatusCode::NO_CONTENT,
    })
}

/// Removes a queue with all that waits in it.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses(
        (status = 204, description = "The queue is gone."),
        (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is the dead letter queue of another, belongs to a flow, or the configuration sets it.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn remove(State(api): State<ApiState>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let name = free_name(&name)?;
    if api.destinations.remove_queue(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_queue(&name)) }
}

fn queue_name(text: &str) -> Result<QueueName, Problem> {
    QueueName::parse_any(text).map_err(Problem::bad_request)
}

/// The name of a queue that does not belong to a flow.
fn free_name(text: &str) -> Result<QueueName, Problem> {
    let name = queue_name(text)?;
    match name.owner() {
        Some((flow, module)) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "queue `{name}` is the durable subscription of module `{module}` of flow `{flow}`: change it there"
            ),
        )),
        None => Ok(name),
    }
}

/// A queue that others than the flow may take messages from that it belongs to.
fn consumable(api: &ApiState, text: &str) -> Result<Arc<NodeQueue>, Problem> {
    let queue = queue(api, text)?;
    if queue.name().is_subscription() { free_name(text).map(|_| queue) } else { Ok(queue) }
}

fn queue(api: &ApiState, text: &str) -> Result<Arc<NodeQueue>, Problem> {
    let name = queue_name(text)?;
    api.destinations.queue(&name).ok_or_else(|| no_queue(&name))
}

fn no_queue(name: &QueueName) -> Problem {
    Problem::not_found(format!("there is no queue `{name}`: make it with PUT /api/v1/queues/{name}"))
}

impl Queue {
    fn of(api: &ApiState, state: QueueState) -> Self {
        let dropped = |reason: DropReason| state.dropped.get(reason as usize).copied().unwrap_or(0);
        let machine = &state.machine;
        let (flow, module) = state.name.owner().unzip();
        Self {
            configured: api.destinations.is_configured_queue(&state.name),
            name: state.name.to_string(),
            flow: flow.map(String::from),
            module: module.map(String::from),
            created: state.stored.created,
            settings: QueueSettings::from(&state.stored.options),
            messages: state.waiting_messages,
            bytes: state.waiting_bytes,
            consumers: machine.consumers,
            in_flight: machine.in_flight,
            delayed: state.delayed(),
            delivered: machine.delivered,
            redelivered: machine.redelivered,
            acknowledged: machine.acknowledged,
            timed_out: machine.timed_out,
            dead_lettered: DeathReason::ALL.iter().map(|reason| machine.dead_lettered(*reason)).sum(),
            discarded: state.discarded,
            expired: machine.expired,
            purged: machine.purged,
            refused: state.refused,
            dropped: Dropped {
                oldest: dropped(DropReason::Oldest),
                newest: dropped(DropReason::Newest),
                age: dropped(DropReason::Age),
                replaced: dropped(DropReason::Replaced),
                damaged: dropped(DropReason::Damaged),
            },
            failure: state.failure.map(|failure| failure.to_string()),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Settings(_) | ChangeError::Circle(_) => Self::bad_request(error),
            ChangeError::InUse { .. }
            | ChangeError::TooMany
            | ChangeError::TooManyStreams
            | ChangeError::Configured(_)
            | ChangeError::Gone(_) => Self::new(StatusCode::CONFLICT, error),
            ChangeError::Stopping | ChangeError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error),
            ChangeError::Write(error) => error.into(),
            ChangeError::Read(_) | ChangeError::Table(_) | ChangeError::Open(_) => Self::internal(error),
        }
    }
}

impl From<PutError> for Problem {
    fn from(error: PutError) -> Self {
        match error.broken() {
            _ if matches!(error, PutError::Removed(_)) => Self::new(StatusCode::NOT_FOUND, error),
            broker::Broken::NoRoom => Self::new(StatusCode::INSUFFICIENT_STORAGE, error),
            broker::Broken::Failed => Self::internal(error),
        }
    }
}
