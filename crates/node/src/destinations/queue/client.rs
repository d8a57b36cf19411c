//! MQTT clients as consumers of a queue.

use broker::{SessionSender, SubscribeOptions};
use message::QueueName;

use super::QueueConsumer;
use crate::destinations::Destinations;
use crate::destinations::client::ClientSink;
use crate::mqtt::{ConsumeError, Consuming, Queues};

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
