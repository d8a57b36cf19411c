//! MQTT clients as consumers of a queue.

use broker::{SessionSender, SubscribeOptions};
use message::QueueName;

use super::{JoinError, QueueConsumer};
use crate::destinations::Destinations;
use crate::destinations::client::{ClientSink, room_of};
use crate::mqtt::{ConsumeError, Consuming, Over, Queues};

impl Consuming for QueueConsumer {
    fn over(&self) -> Option<Over> {
        self.is_over().then_some(Over::Removed)
    }
}

impl Queues for Destinations {
    fn consume(
        &self,
        queue: &QueueName,
        in_flight_max: usize,
        options: SubscribeOptions,
        to: SessionSender,
    ) -> Result<Box<dyn Consuming>, ConsumeError> {
        let found = self.queue(queue).ok_or_else(|| ConsumeError::Unknown(queue.clone()))?;
        match found.join(room_of(in_flight_max), Box::new(ClientSink { options, to })) {
            Ok(consumer) => Ok(Box::new(consumer)),
            Err(JoinError::Full(_)) => Err(ConsumeError::Full(queue.clone())),
            Err(JoinError::Removed) => Err(ConsumeError::Unknown(queue.clone())),
        }
    }
}
