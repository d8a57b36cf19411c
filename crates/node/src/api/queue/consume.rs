//! Consuming a queue over HTTP: a request takes messages and may wait for them; others say what became of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::message::limits;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use broker::queue::{ConsumerId, DeliveryTag, Nack, Ordinal, Room, SettleError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::message::Message;
use super::{consumable, queue};
use crate::api::ApiState;
use crate::api::body::Body;
use crate::api::query::Asked;
use crate::clock;
use crate::destinations::{ChannelSink, Commit, Destinations, HandedOut, NodeQueue, QueueConsumer};
use crate::http::Problem;

/// How many messages to take, and how long to wait for the first.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ConsumeAsked {
    /// Messages to take at most, 1 to 1,000; 1 when absent. No more come with one answer once they have 4 MiB.
    #[serde(default)]
    max: Option<usize>,
    /// Seconds to wait when there is none, up to 25; none when absent.
    #[serde(default)]
    wait_s: u64,
}

/// The messages that were taken; none when there were none.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Consumed {
    messages: Vec<ConsumedMessage>,
}

/// A message that is the caller's until the queue's ack timeout.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct ConsumedMessage {
    /// To be given back when the message is worked off, or not.
    receipt: String,
    /// Its place in the queue.
    pub(super) id: u64,
    /// Which delivery of the message this is, from 1.
    delivery: u32,
    message: Message,
}

/// Messages that were worked off.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Acknowledged {
    receipts: Vec<String>,
}

/// Messages that were not worked off.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NotAcknowledged {
    receipts: Vec<String>,
    /// Seconds before others get them.
    #[serde(default)]
    delay_s: u32,
    /// Nobody can do anything with them: they are dead letters at once.
    #[serde(default)]
    reject: bool,
}

/// What became of the receipts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Settled {
    settled: usize,
    /// Receipts that had no effect any more, and why: the messages went to others, or were settled before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    late: Vec<Late>,
}

/// A receipt that had no effect.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Late {
    receipt: String,
    why: String,
}

/// Names one delivery to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Receipt {
    /// Of which life of which queue: consumers and deliveries are counted anew in each.
    life: u64,
    consumer: ConsumerId,
    tag: DeliveryTag,
}

/// A request that takes messages. Given up, it gives those back that it did not answer, and they do not count as
/// delivered: they are dropped before the consumer leaves.
pub(super) struct Request {
    pub(super) arriving: mpsc::Receiver<HandedOut<NodeQueue>>,
    pub(super) consumer: QueueConsumer,
}

impl Request {
    /// Takes up to so many messages at a time, and not many bytes.
    pub(super) async fn begin(
        queue: &Arc<NodeQueue>,
        max: usize,
        destinations: &Destinations,
    ) -> Result<Self, Problem> {
        let (sender, arriving) = mpsc::channel(max);
        let room = Room { messages_max: max, bytes_max: limits::CONSUMER_BYTES_MAX };
        let consumer = queue.join(room, ChannelSink::new(sender));
        let consumer = consumer.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error))?;
        let request = Self { arriving, consumer };
        queue.hand_out_now(destinations).await;
        Ok(request)
    }
}

/// Takes messages. They come again to someone, unless they are acknowledged within the queue's ack timeout.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/consume", tag = "queues", params(("queue" = String, Path), ConsumeAsked),
    responses((status = 200, body = Consumed), (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json")),
)]
pub(in crate::api) async fn consume(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Asked(asked): Asked<ConsumeAsked>,
) -> Result<Json<Consumed>, Problem> {
    let queue = consumable(&api, &name)?;
    let max = asked.max.unwrap_or(1).clamp(1, limits::API_PAGE_MESSAGES_MAX);
    let wait = Duration::from_secs(asked.wait_s).min(limits::QUEUE_CONSUME_WAIT_MAX);
    let mut request = Request::begin(&queue, max, &api.destinations).await?;
    let first = tokio::time::timeout(wait, request.arriving.recv()).await.ok().flatten();
    let Request { mut arriving, consumer } = request;
    let id = consumer.id();
    // Nothing comes after this, so that what is there is all.
    consumer.retire();
    let mut messages: Vec<ConsumedMessage> = first.map(|handed| answer(id, &handed)).into_iter().collect();
    while let Ok(handed) = arriving.try_recv() {
        messages.push(answer(id, &handed));
    }
    Ok(Json(Consumed { messages }))
}

/// From here on the receipt speaks for the message.
pub(super) fn answer(consumer: ConsumerId, handed: &HandedOut<NodeQueue>) -> ConsumedMessage {
    handed.ticket.take();
    let tag = handed.ticket.delivery().tag;
    ConsumedMessage {
        receipt: Receipt { life: handed.ticket.source().life(), consumer, tag }.to_string(),
        id: tag.ordinal.0,
        delivery: tag.delivery,
        message: Message::from(&*handed.publication),
    }
}

/// Says that messages were worked off: they are gone for good. The answer comes when that is on disk.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/ack", tag = "queues", params(("queue" = String, Path)), request_body = Acknowledged,
    responses((status = 200, body = Settled), (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json")),
)]
pub(in crate::api) async fn acknowledge(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Body(acknowledged): Body<Acknowledged>,
) -> Result<Json<Settled>, Problem> {
    let queue = queue(&api, &name)?;
    let mut last: Option<Commit> = None;
    let settled = settle(&queue, acknowledged.receipts, |queue, receipt| {
        let commit = queue.acknowledge(receipt.consumer, receipt.tag)?;
        last = Some(match last.take() {
            Some(before) => before.join(commit),
            None => commit,
        });
        Ok(())
    })?;
    if let Some(commit) = last {
        commit.await.map_err(Problem::internal)?;
    }
    Ok(Json(settled))
}

/// Says that messages were not worked off: others get them, or nobody.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/nack", tag = "queues", params(("queue" = String, Path)), request_body = NotAcknowledged,
    responses((status = 200, body = Settled), (status = 404, description = "There is no such queue.", body = Problem, content_type = "application/problem+json")),
)]
pub(in crate::api) async fn nack(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    Body(given_back): Body<NotAcknowledged>,
) -> Result<Json<Settled>, Problem> {
    let nack = if given_back.reject {
        Nack::Reject
    } else {
        Nack::Retry { delay: Duration::from_secs(u64::from(given_back.delay_s)) }
    };
    let queue = queue(&api, &name)?;
    let settle_one =
        |queue: &NodeQueue, receipt: Receipt| queue.nack(clock::now(), receipt.consumer, receipt.tag, nack);
    Ok(Json(settle(&queue, given_back.receipts, settle_one)?))
}

fn settle(
    queue: &Arc<NodeQueue>,
    receipts: Vec<String>,
    mut one: impl FnMut(&NodeQueue, Receipt) -> Result<(), SettleError>,
) -> Result<Settled, Problem> {
    let parsed: Result<Vec<Receipt>, Problem> = receipts.iter().map(|text| text.parse()).collect();
    let mut settled = Settled { settled: 0, late: Vec::new() };
    for (receipt, text) in parsed?.into_iter().zip(receipts) {
        let result = if receipt.life == queue.life() { one(queue, receipt) } else { Err(SettleError::NotHeld) };
        match result {
            Ok(()) => settled.settled += 1,
            Err(error) => settled.late.push(Late { receipt: text, why: error.to_string() }),
        }
    }
    Ok(settled)
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}.{}.{}", self.life, self.consumer.0, self.tag.ordinal.0, self.tag.delivery)
    }
}

impl FromStr for Receipt {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut parts = text.splitn(4, '.');
        let life = parts.next().and_then(|part| u64::from_str_radix(part, 16).ok());
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let numbers = (number(), number(), number());
        if let Some(life) = life
            && let (Some(consumer), Some(ordinal), Some(delivery)) = numbers
            && let Ok(delivery) = u32::try_from(delivery)
        {
            let tag = DeliveryTag { ordinal: Ordinal(ordinal), delivery };
            return Ok(Self { life, consumer: ConsumerId(consumer), tag });
        }
        let text: String = text.chars().take(80).collect();
        Err(Problem::bad_request(format!("`{text}` is no receipt: give back what came with the message")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_come_back_as_they_went() {
        let tag = DeliveryTag { ordinal: Ordinal(7), delivery: 2 };
        let receipt = Receipt { life: 0xA1, consumer: ConsumerId(3), tag };
        assert_eq!(receipt.to_string(), "00000000000000a1.3.7.2");
        assert_eq!("00000000000000a1.3.7.2".parse::<Receipt>().unwrap(), receipt);
        for bad in ["", "3.7.2", "a1.3.7", "a1.3.7.x", "a1.3.7.2.1", "g.3.7.2", "a", "a1.3.7.99999999999"] {
            assert!(bad.parse::<Receipt>().is_err(), "{bad}");
        }
    }
}
