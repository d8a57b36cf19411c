//! Publishing to a queue over HTTP.

use ::message::{ByteString, Publication, PublicationProperties, QoS, TopicName, limits, parse_span};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use broker::queue::{DELAY, PRIORITY};
use serde::Deserialize;

use super::{free_name, queue};
use crate::api::query::Asked;
use crate::api::{ApiState, body};
use crate::clock;
use crate::destinations::QUEUE_TOPICS;
use crate::http::Problem;

/// How a message goes into a queue.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct PutAsked {
    /// The topic that consumers see; `$queue/` and the name of the queue when absent.
    #[serde(default)]
    topic: Option<String>,
    /// 0 to 9; counts in a queue with `priority`.
    #[serde(default)]
    priority: Option<u8>,
    /// How long the message is held back, as in `30s` or `1h30m`.
    #[serde(default)]
    delay: Option<String>,
    /// Seconds after which the message is dropped, if nobody took it.
    #[serde(default)]
    expiry_s: Option<u32>,
}

/// Puts the body, whatever it is, into the queue. The answer comes when the message is as safe as the queue promises.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/messages", tag = "queues", params(("queue" = String, Path), PutAsked),
    request_body(content = String, description = "The payload.", content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "The queue has the message."),
        (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The queue or the disk is full: the message was not taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn put(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<PutAsked>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let queue = queue(&api, free_name(&name)?.as_str())?;
    let topic = asked.topic.clone().unwrap_or_else(|| format!("{QUEUE_TOPICS}{name}"));
    let topic = TopicName::parse(&topic).map_err(Problem::bad_request)?;
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(ByteString::from);
    let properties = PublicationProperties {
        content_type,
        message_expiry_s: asked.expiry_s,
        user_properties: user_properties(&asked)?,
        ..PublicationProperties::default()
    };
    let payload = body::read(request, &api).await?;
    let now = clock::now();
    let mut publication = Publication::new(topic, payload, QoS::AtLeastOnce, now.wall);
    publication.properties = (properties != PublicationProperties::default()).then(|| Box::new(properties));
    queue.bring(now, publication).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn user_properties(asked: &PutAsked) -> Result<Vec<(ByteString, ByteString)>, Problem> {
    let mut properties = Vec::new();
    if let Some(priority) = asked.priority {
        if priority > limits::QUEUE_PRIORITY_MAX {
            return Err(Problem::bad_request(format!("priority {priority} does not exist: use 0 to 9")));
        }
        properties.push((ByteString::from_static(PRIORITY), ByteString::from(priority.to_string())));
    }
    if let Some(delay) = &asked.delay {
        parse_span(delay).map_err(Problem::bad_request)?;
        properties.push((ByteString::from_static(DELAY), ByteString::from(delay.as_str())));
    }
    Ok(properties)
}
