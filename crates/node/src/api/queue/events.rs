//! Consuming a queue as a stream of events.

use ::message::limits;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;
use serde::Deserialize;

use super::consumable;
use super::consume::{ConsumedMessage, Request, answer};
use crate::api::ApiState;
use crate::api::query::Asked;
use crate::http::{Problem, StreamedEvent, check_takes_events};

/// How many messages the client takes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct EventsAsked {
    /// Messages that the client may have unacknowledged at a time, 1 to 1,000; 100 when absent.
    #[serde(default)]
    max: Option<usize>,
}

/// Takes messages as they come, as server-sent events: the id is the place of the message in the queue, the data the JSON
/// that a `POST` answers for each. A message leaves the queue when its receipt is acknowledged, as after a `POST`; no more
/// come than `max` before that, and none once those have 4 MiB. Those that the client has when its connection ends come to
/// someone again at once, and their receipts have no effect any more. `Last-Event-ID` makes no difference. A comment comes
/// when it is quiet for 15 seconds; the stream ends when the queue is removed or the node stops.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/consume", tag = "queues", params(("queue" = String, Path), EventsAsked),
    responses(
        (status = 200, description = "Events without end.", body = ConsumedMessage, content_type = "text/event-stream"),
        (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "The client takes no events.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is the durable subscription of a flow.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "There are as many event streams as the node writes.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn events(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<EventsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_takes_events(&headers)?;
    let queue = consumable(&api, &name)?;
    let max = asked.max.unwrap_or(limits::API_PAGE_MESSAGES).clamp(1, limits::API_PAGE_MESSAGES_MAX);
    let mut request = Request::begin(&queue, max, &api.destinations).await?;
    api.event_streams.answer(stream::poll_fn(move |context| {
        let id = request.consumer.id();
        request.arriving.poll_recv(context).map(|handed| {
            handed.map(|handed| {
                let message = answer(id, &handed);
                // Nothing in it has a form that cannot be written.
                let data = serde_json::to_string(&message).unwrap_or_default();
                StreamedEvent { id: message.id, data }
            })
        })
    }))
}
