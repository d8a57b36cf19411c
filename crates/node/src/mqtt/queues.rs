//! Clients that consume queues: a subscription to `$queue/{name}` with QoS 1 or 2. What is acknowledged is gone from the
//! queue; what is refused, or under way when the connection ends, comes to someone again.

use std::fmt;

use broker::{Refusal, SessionSender, SubscribeOptions};
use message::{QoS, QueueName, TopicFilter, limits};
use mqtt::ReasonCode;

use super::client::Client;

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

/// A client that consumes a queue.
pub trait Consuming: Send + fmt::Debug {}

/// Why a client cannot consume a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    #[error("there is no queue `{0}`")]
    Unknown(QueueName),
    #[error("queue `{0}` has as many consumers as it takes")]
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
    /// Begins to consume the queue that a filter names; the same one once more takes the place of the first.
    pub(super) fn consume(&mut self, filter: &TopicFilter, options: SubscribeOptions) -> Result<(), ReasonCode> {
        let Some(session) = &self.session else { return Err(ReasonCode::UnspecifiedError) };
        let name = filter.as_str().strip_prefix(PREFIX).and_then(|name| QueueName::parse(name).ok());
        let name = name.ok_or(ReasonCode::TopicFilterInvalid)?;
        if options.qos == QoS::AtMostOnce {
            // Without an acknowledgement there is nothing that could take a message out of the queue.
            return Err(ReasonCode::ImplementationSpecificError);
        }
        let in_flight_max = usize::from(self.connection.in_flight_max()).min(limits::QUEUE_MQTT_IN_FLIGHT_MAX);
        let consuming = self.mqtt.queues.consume(&name, in_flight_max, options, session.sender());
        let consuming = consuming.map_err(|error| {
            tracing::debug!(client = session.client_id().as_str(), "subscription refused: {error}");
            match error {
                ConsumeError::Unknown(_) => ReasonCode::TopicFilterInvalid,
                ConsumeError::Full(_) => ReasonCode::QuotaExceeded,
            }
        })?;
        self.consuming.retain(|(held, _)| held != filter);
        self.consuming.push((filter.detach(), consuming));
        Ok(())
    }

    /// Goes on with the queues and streams that the session consumed on an earlier connection. One that is gone is passed
    /// over.
    pub(super) fn consume_again(&mut self) {
        let Some(session) = &self.session else { return };
        let queues = session.subscriptions().filter(|(filter, _)| filter.is_of_destination());
        let queues: Vec<_> = queues.map(|(filter, options)| (filter.clone(), *options)).collect();
        for (filter, options) in queues {
            if Self::is_of_stream(&filter) {
                // A cursor that is made anew, as its stream was, is saved when it has moved.
                let _ = self.read_stream(&filter, options, None);
            } else {
                let _ = self.consume(&filter, options);
            }
        }
    }
}

/// What a client means by the reason code of an acknowledgement.
pub(super) fn refusal(reason: ReasonCode) -> Refusal {
    match reason {
        ReasonCode::PayloadFormatInvalid | ReasonCode::TopicNameInvalid => Refusal::ForGood,
        _ => Refusal::ForNow,
    }
}
