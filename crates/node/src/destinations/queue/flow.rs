//! Flows as consumers of a queue and as those who put messages in.

use std::sync::Arc;
use std::task::{Context, Poll};

use flow::services::{Answer, ConsumerInbox, QueueMessage, Queues, ServiceError};
use message::{Now, Publication, QueueName};
use tokio::sync::mpsc;

use super::{NodeQueue, QueueConsumer};
use crate::destinations::Destinations;
use crate::destinations::hand_out::HandedOut;

/// The messages of a queue that a flow has not taken yet. They are given back before the consumer leaves.
#[derive(Debug)]
struct FlowInbox {
    arriving: mpsc::Receiver<HandedOut<NodeQueue>>,
    consumer: Option<QueueConsumer>,
}

impl ConsumerInbox<QueueMessage> for FlowInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<QueueMessage>) {
        for _ in 0..room {
            let Poll::Ready(Some(handed)) = self.arriving.poll_recv(cx) else { return };
            let (publication, delivery, receipt) = handed.begin();
            taken.push(QueueMessage { publication, delivery: delivery.tag.delivery, receipt });
        }
    }

    fn close(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            consumer.retire();
        }
    }

    fn waiting(&self) -> usize {
        self.arriving.len()
    }
}

impl Drop for FlowInbox {
    fn drop(&mut self) {
        self.arriving.close();
        while self.arriving.try_recv().is_ok() {}
        // What the flow has under way still is settled by its itineraries.
        self.close();
    }
}

impl Destinations {
    fn known(&self, queue: &QueueName) -> Result<Arc<NodeQueue>, ServiceError> {
        self.queue(queue).ok_or_else(|| {
            ServiceError(format!("there is no queue `{queue}`: make it with `headwater queue create {queue}`"))
        })
    }
}

impl Queues for Destinations {
    fn consume(
        &self,
        queue: &QueueName,
        in_flight_max: usize,
    ) -> Result<Box<dyn ConsumerInbox<QueueMessage>>, ServiceError> {
        let queue = self.known(queue)?;
        let (sender, arriving) = mpsc::channel(in_flight_max.max(1));
        let consumer = queue.join(in_flight_max, Box::new(sender));
        let consumer = consumer.map_err(|error| ServiceError(error.to_string()))?;
        Ok(Box::new(FlowInbox { arriving, consumer: Some(consumer) }))
    }

    fn put(
        &self,
        now: Now,
        queue: &QueueName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        let brought = self.known(queue)?.bring(now, publication);
        Ok(Box::pin(async move { brought.await.map_err(|error| ServiceError(error.to_string())) }))
    }
}
