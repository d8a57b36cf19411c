//! Those who consume a queue.

use std::fmt;
use std::sync::Arc;

use broker::queue::{ConsumerId, DeliveryTag};

use super::NodeQueue;
use crate::clock;
use crate::destinations::hand_out::{HandsOut, Said};

/// One delivery of a message to a consumer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueDelivery {
    pub(crate) consumer: ConsumerId,
    pub(crate) tag: DeliveryTag,
}

impl HandsOut for NodeQueue {
    type Delivery = QueueDelivery;

    fn say(&self, delivery: QueueDelivery, said: Said) {
        self.said.lock().push((delivery, said));
        self.work.notify_one();
    }

    fn note_room(&self, taker: u64) {
        self.roomy.lock().push(ConsumerId(taker));
        self.work.notify_one();
    }
}

/// A consumer of a queue. When it is dropped, it leaves: what it has not settled goes to others.
pub(crate) struct QueueConsumer {
    queue: Arc<NodeQueue>,
    id: ConsumerId,
    retired: bool,
}

impl QueueConsumer {
    pub(super) fn new(queue: &Arc<NodeQueue>, id: ConsumerId) -> Self {
        Self { queue: Arc::clone(queue), id, retired: false }
    }

    pub(crate) fn id(&self) -> ConsumerId {
        self.id
    }

    /// Nothing comes any more, as the queue was removed.
    pub(crate) fn is_over(&self) -> bool {
        self.queue.is_closed()
    }

    /// Takes no more from now on; it leaves when it is dropped.
    pub(crate) fn rest(&self) {
        let mut inside = self.queue.inside.lock();
        inside.machine.handle_retired(self.id);
        let taker = inside.takers.remove(&self.id);
        drop(inside);
        drop(taker);
    }

    /// Takes no more, but keeps what it has until it has settled it or the time for that is over.
    pub(crate) fn retire(mut self) {
        self.retired = true;
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        let now = clock::now();
        self.queue.hear(now);
        let mut inside = self.queue.inside.lock();
        if self.retired {
            inside.machine.handle_retired(self.id);
        } else {
            inside.machine.handle_left(now, self.id);
        }
        let taker = inside.takers.remove(&self.id);
        drop(inside);
        drop(taker);
        self.queue.work.notify_one();
    }
}

impl fmt::Debug for QueueConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueConsumer").field("queue", &self.queue.name).field("id", &self.id).finish_non_exhaustive()
    }
}
