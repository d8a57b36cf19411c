//! The durable subscriptions of one version of a flow. Each is a queue of the node that outlives the versions; a version
//! only consumes it: from the moment in which the node switches to the version, to the one in which it switches away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow::services::{Backlog, Inbox, SubscribeRequest, Taken};
use message::{FlowId, ModuleId, QoS, TopicFilter};
use parking_lot::Mutex;

use crate::destinations::{ChangeError, Destinations, HandedOut, NodeQueue, PutSubscription, QueueConsumer, Sink};

/// All of one version.
#[derive(Debug, Default)]
pub(super) struct DurableSubscriptions(Mutex<Vec<Durable>>);

#[derive(Debug)]
struct Durable {
    module: ModuleId,
    filter: TopicFilter,
    backlog: Backlog,
    arriving: Arc<Arriving>,
    /// There is one from the switch on.
    queue: Option<Arc<NodeQueue>>,
    /// It holds what the version has under way; at rest it gets nothing more. None when the version was given up.
    consumer: Option<QueueConsumer>,
}

/// Messages that the flow has not taken yet, no more than it may have under way.
#[derive(Debug, Default)]
struct Arriving(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<HandedOut<NodeQueue>>,
    waker: Option<Waker>,
}

/// What the queue hands to.
#[derive(Debug)]
struct FlowSink(Arc<Arriving>);

impl Sink<NodeQueue> for FlowSink {
    fn deliver(&mut self, message: HandedOut<NodeQueue>) -> bool {
        let mut waiting = self.0.0.lock();
        waiting.messages.push_back(message);
        let waker = waiting.waker.clone();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// It gets no more at a time than it asked for.
    fn poll_room(&mut self, _: &Waker) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A durable subscription as its module sees it.
struct DurableInbox {
    arriving: Arc<Arriving>,
    qos: QoS,
}

impl Inbox for DurableInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<Taken>) {
        let mut waiting = self.arriving.0.lock();
        let count = room.min(waiting.messages.len());
        taken.extend(waiting.messages.drain(..count).map(|handed| {
            let (publication, _, receipt) = handed.begin();
            let (qos, retained) = (publication.qos.min(self.qos), publication.retain);
            Taken { publication, qos, retained, receipt: Some(receipt) }
        }));
        if !waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            waiting.waker = Some(cx.waker().clone());
        }
    }

    fn waiting(&self) -> usize {
        self.arriving.0.lock().messages.len()
    }
}

impl DurableSubscriptions {
    /// Subscribes for a module. A version that is built again goes on with what came in meanwhile.
    pub(super) fn subscribe(&self, module: &ModuleId, request: SubscribeRequest, backlog: Backlog) -> Box<dyn Inbox> {
        let mut all = self.0.lock();
        let place = all.iter().position(|one| one.module == *module).unwrap_or_else(|| {
            all.push(Durable {
                module: module.clone(),
                filter: request.filter,
                backlog,
                arriving: Arc::default(),
                queue: None,
                consumer: None,
            });
            all.len() - 1
        });
        let arriving = match all.get_mut(place) {
            Some(durable) => {
                if durable.queue.is_some() && durable.consumer.is_none() {
                    durable.join();
                }
                Arc::clone(&durable.arriving)
            }
            None => Arc::default(),
        };
        Box::new(DurableInbox { arriving, qos: request.qos })
    }

    /// Makes the queues, or changes them to what this version asks for; bound to their filters they are by the switch. An
    /// error leaves all as it was.
    pub(super) async fn put(
        &self,
        flow: &FlowId,
        destinations: &Arc<Destinations>,
    ) -> Result<Vec<(TopicFilter, PutSubscription)>, ChangeError> {
        let wanted: Vec<(ModuleId, TopicFilter, Backlog)> = {
            let all = self.0.lock();
            all.iter().map(|one| (one.module.clone(), one.filter.clone(), one.backlog)).collect()
        };
        let mut made = Vec::new();
        for (module, filter, backlog) in wanted {
            match destinations.put_subscription(flow, &module, &filter, &backlog).await {
                Ok(put) => made.push((filter, put)),
                Err(error) => {
                    for (_, put) in &made {
                        if let Err(error) = destinations.take_back(put).await {
                            tracing::error!(queue = %put.queue.name(), "a subscription stays changed: {error}");
                        }
                    }
                    return Err(error);
                }
            }
        }
        let mut all = self.0.lock();
        for (durable, (_, put)) in all.iter_mut().zip(&made) {
            durable.queue = Some(Arc::clone(&put.queue));
        }
        Ok(made)
    }

    /// Takes messages from now on, also once more after a rest.
    pub(super) fn join(&self) {
        self.0.lock().iter_mut().for_each(Durable::join);
    }

    /// Takes no more; what was not begun goes back to its place.
    pub(super) fn rest(&self) {
        for durable in &*self.0.lock() {
            if let Some(consumer) = &durable.consumer {
                consumer.rest();
            }
            let returned = std::mem::take(&mut durable.arriving.0.lock().messages);
            drop(returned);
        }
    }

    /// Takes no more, and nothing is under way here any more: all of it comes again.
    pub(super) fn give_up(&self) {
        self.rest();
        for durable in &mut *self.0.lock() {
            durable.consumer = None;
        }
    }

    /// Messages that wait for them, those under way among them.
    pub(super) fn waiting(&self) -> u64 {
        let queues: Vec<Arc<NodeQueue>> = self.0.lock().iter().filter_map(|one| one.queue.clone()).collect();
        queues.iter().map(|queue| queue.waiting_messages()).sum()
    }
}

impl Durable {
    fn join(&mut self) {
        let Some(queue) = &self.queue else { return };
        match queue.join(self.backlog.in_flight_max, Box::new(FlowSink(Arc::clone(&self.arriving)))) {
            Ok(consumer) => self.consumer = Some(consumer),
            Err(error) => tracing::error!(queue = %queue.name(), "the flow gets no messages: {error}"),
        }
    }
}
