//! MQTT clients as consumers of a queue.

use std::sync::Arc;

use broker::queue::Nack;
use broker::{Receipt, Refusal, SessionSender, Settled, SubscribeOptions, SubscriptionIds};
use message::{QueueName, limits};

use super::{HandedOut, QueueConsumer, Said, Sink, Ticket};
use crate::destinations::Destinations;
use crate::mqtt::{ConsumeError, Consuming, Queues};

/// Where the messages for one client go.
#[derive(Debug)]
struct ClientSink {
    options: SubscribeOptions,
    to: SessionSender,
}

impl Sink for ClientSink {
    fn deliver(&mut self, message: HandedOut) {
        let HandedOut { publication, ticket } = message;
        let identifiers = SubscriptionIds::from(self.options.identifier);
        self.to.send(publication, self.options.qos, identifiers, Arc::new(ticket));
    }
}

impl Receipt for Ticket {
    fn handle_sent(&self) {
        self.take();
    }

    fn handle_settled(&self, settled: Settled) {
        self.say(match settled {
            Settled::Done => Said::Done,
            Settled::Refused(Refusal::ForGood) => Said::Not(Nack::Reject),
            Settled::Refused(Refusal::ForNow) => Said::Not(Nack::Retry { delay: limits::QUEUE_MQTT_RETRY_DELAY }),
        });
    }
}

impl Consuming for QueueConsumer {}

impl Queues for Destinations {
    fn consume(
        &self,
        queue: &QueueName,
        in_flight_max: usize,
        options: SubscribeOptions,
        to: SessionSender,
    ) -> Result<Box<dyn Consuming>, ConsumeError> {
        let found = self.queue(queue).ok_or_else(|| ConsumeError::Unknown(queue.clone()))?;
        match found.join(in_flight_max, Box::new(ClientSink { options, to })) {
            Ok(consumer) => Ok(Box::new(consumer)),
            Err(_) => Err(ConsumeError::Full(queue.clone())),
        }
    }
}
