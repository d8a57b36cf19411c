//! Publishes one message into the node's broker, for scripts that speak HTTP only.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use broker::{Broken, Origin, Principal};
use message::{ClientId, Publication, QoS, TopicName};
use serde::Deserialize;

use super::query::Asked;
use super::{ApiState, body};
use crate::clock;
use crate::http::Problem;

/// Where the message goes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PublishAsked {
    /// The topic, as in `plc/line1`.
    topic: String,
    /// 0, 1 or 2.
    #[serde(default)]
    qos: u8,
    /// Whether the broker keeps it for those who subscribe later.
    #[serde(default)]
    retain: bool,
}

/// Publishes the body, whatever it is, to a topic.
#[utoipa::path(
    post, path = "/api/v1/publish", tag = "node", params(PublishAsked),
    request_body(content = String, description = "The payload.", content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "Every match has the message."),
        (status = 404, description = "The topic is that of a queue or a stream that does not exist.", body = Problem, content_type = "application/problem+json"),
        (status = 400, description = "The topic cannot be published to.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "No room for it on disk or in a destination: nothing was taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn publish(
    State(api): State<ApiState>,
    Asked(asked): Asked<PublishAsked>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let topic = TopicName::parse(&asked.topic).map_err(Problem::bad_request)?;
    let principal = Principal::Client { client_id: api_client()?, user: None };
    api.mqtt.access.may_publish(&principal, &topic).map_err(|denied| Problem::new(StatusCode::FORBIDDEN, denied))?;
    let qos = QoS::try_from(asked.qos).map_err(Problem::bad_request)?;
    let payload = body::read(request, &api).await?;
    let mut publication = Publication::new(topic, payload, qos, clock::now().wall);
    publication.retain = asked.retain;
    let is_of_destination = publication.topic.is_of_destination();
    let routed = loop {
        let tried = {
            let mut routes = api.router.route_cache();
            api.router.publish_patiently(publication, Origin::default(), &mut routes)
        };
        match tried {
            Ok(routed) => break routed,
            Err(postponed) => publication = postponed.room().await,
        }
    };
    if is_of_destination && routed.matched() == 0 {
        let detail = format!("there is no queue or stream that takes `{}`", asked.topic);
        return Err(Problem::not_found(detail));
    }
    routed.await.map_err(|broken| Problem::new(status(broken), broken))?;
    Ok(StatusCode::NO_CONTENT)
}

fn status(broken: Broken) -> StatusCode {
    match broken {
        Broken::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
        Broken::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The name under which access rules know those who publish here.
fn api_client() -> Result<ClientId, Problem> {
    ClientId::parse("api").map_err(Problem::internal)
}
