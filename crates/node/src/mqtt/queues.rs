//! Clients that consume queues: a subscription to `$queue/{name}` with QoS 1 or 2. What is acknowledged is gone from the
//! queue; what is refused, or under way when the connection ends, comes to someone again.

use std::fmt;

use broker::{Refusal, SessionSender, SubscribeOptions};
use message::{QoS, QueueName, TopicFilter, limits};
use mqtt::ReasonCode;

use super::client::Client;
use super::consuming::{Consuming, Refused};

/// The queues that clients may consume.
pub trait Queues: Send + Sync + fmt::Debug {
    /// Lets a client consume a queue, so many messages at a time, until what this returns is dropped.
    fn consume(
        &self,
        queue: &QueueName,
        in_flight_max: usize,
        options: SubscribeOptions,
        to: SessionSender,
    ) -> Result<Box<dyn Consuming>, ConsumeError>;
}

/// Why a client cannot consume a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    #[error("there is no queue `{0}`: make it with `headwater queue create {0}`")]
    Unknown(QueueName),
    #[error("queue `{0}` has as many consumers as it takes: disconnect some first")]
    Full(QueueName),
}

/// A node without queues.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoQueues;

impl Queues for NoQueues {
    fn consume(
        &self,
        queue: &QueueName,
        _in_flight_max: usize,
        _options: SubscribeOptions,
        _to: SessionSender,
    ) -> Result<Box<dyn Consuming>, ConsumeError> {
        Err(ConsumeError::Unknown(queue.clone()))
    }
}

/// What a subscription to a queue begins with.
const PREFIX: &str = "$queue/";

impl Client {
    /// Begins to consume the queue that a filter names.
    pub(super) fn consume(
        &self,
        filter: &TopicFilter,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Consuming>, Refused> {
        let refused = |reason, text: String| Refused { reason, text };
        let Some(session) = &self.session else { return Err(Refused::without_session()) };
        let Some(name) = filter.as_str().strip_prefix(PREFIX) else {
            let text = format!("all who subscribe to a queue share its messages: subscribe to `{}`", filter.pattern());
            return Err(refused(ReasonCode::TopicFilterInvalid, text));
        };
        let name =
            QueueName::parse(name).map_err(|error| refused(ReasonCode::TopicFilterInvalid, error.to_string()))?;
        if options.qos == QoS::AtMostOnce {
            let text =
                "a queue is consumed with QoS 1 or 2: without an acknowledgement nothing takes a message out of it";
            return Err(refused(ReasonCode::ImplementationSpecificError, text.to_owned()));
        }
        let in_flight_max = usize::from(self.connection.in_flight_max()).min(limits::QUEUE_MQTT_IN_FLIGHT_MAX);
        self.mqtt.queues.consume(&name, in_flight_max, options, session.sender()).map_err(|error| {
            let reason = match error {
                ConsumeError::Unknown(_) => ReasonCode::TopicFilterInvalid,
                ConsumeError::Full(_) => ReasonCode::QuotaExceeded,
            };
            refused(reason, error.to_string())
        })
    }
}

/// What a client means by the reason code of an acknowledgement.
pub(super) fn refusal(reason: ReasonCode) -> Refusal {
    match reason {
        ReasonCode::PayloadFormatInvalid | ReasonCode::TopicNameInvalid => Refusal::ForGood,
        _ => Refusal::ForNow,
    }
}
