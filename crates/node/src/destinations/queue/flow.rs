//! Flows as consumers of a queue and as those who put messages in.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use flow::services::{Answer, ConsumerInbox, QueueMessage, Queues, ServiceError};
use message::{Now, Publication, QueueName};
use tokio::sync::mpsc;

use super::{NodeQueue, QueueConsumer};
use crate::destinations::Destinations;
use crate::destinations::absence::Absence;
use crate::destinations::hand_out::{ChannelSink, HandedOut};

/// The messages of a queue that a flow has not taken yet. They are given back before the consumer leaves.
#[derive(Debug)]
struct FlowInbox {
    queue: QueueName,
    destinations: Weak<Destinations>,
    in_flight_max: usize,
    arriving: mpsc::Receiver<HandedOut<NodeQueue>>,
    /// None when it takes no more, or there is no such queue.
    consumer: Option<QueueConsumer>,
    /// The queue was removed.
    absence: Option<Absence>,
}

impl FlowInbox {
    fn join(&mut self, destinations: &Destinations) -> Result<(), ServiceError> {
        let queue = destinations.known(&self.queue)?;
        let (sender, arriving) = mpsc::channel(self.in_flight_max.max(1));
        let consumer = queue.join(self.in_flight_max, ChannelSink::new(sender));
        self.consumer = Some(consumer.map_err(|error| ServiceError(error.to_string()))?);
        self.arriving = arriving;
        Ok(())
    }

    /// Pending while there is no such queue.
    fn poll_there(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(mut absence) = self.absence.take() {
            if absence.poll_look(cx).is_pending() {
                self.absence = Some(absence);
                return Poll::Pending;
            }
            let ends = || ServiceError("the node stops".to_owned());
            let joined = self.destinations.upgrade().ok_or_else(ends).and_then(|all| self.join(&all));
            let queue = &self.queue;
            match joined {
                Ok(()) => tracing::info!(%queue, "a flow consumes a queue again that was removed"),
                Err(error) => {
                    absence.go_on(|| tracing::warn!(%queue, "a flow has nothing to consume, and waits: {error}"));
                    self.absence = Some(absence);
                }
            }
        }
        Poll::Ready(())
    }
}

impl ConsumerInbox<QueueMessage> for FlowInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<QueueMessage>) {
        let full = taken.len() + room;
        while taken.len() < full && self.poll_there(cx).is_ready() {
            match self.arriving.poll_recv(cx) {
                Poll::Ready(Some(handed)) => {
                    let (publication, delivery, receipt) = handed.begin();
                    taken.push(QueueMessage { publication, delivery: delivery.tag.delivery, receipt });
                }
                Poll::Ready(None) if self.consumer.as_ref().is_some_and(QueueConsumer::is_over) => {
                    self.consumer = None;
                    self.absence = Some(Absence::begin());
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    fn close(&mut self) {
        self.absence = None;
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
        let (_, arriving) = mpsc::channel(1);
        let (queue, destinations) = (queue.clone(), self.me.clone());
        let mut inbox = FlowInbox { queue, destinations, in_flight_max, arriving, consumer: None, absence: None };
        inbox.join(self)?;
        Ok(Box::new(inbox))
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
