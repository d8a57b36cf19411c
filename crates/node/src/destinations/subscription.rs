//! Durable subscriptions of flows: a queue each, with one for its dead letters, named after flow and module. They are made
//! and removed with the versions of their flow, by nobody else.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker::Bindings;
use flow::services::{Backlog, BacklogFull};
use message::{FlowId, ModuleId, QueueName, TopicFilter, limits};
use store::table::{QueueOptions, StoredQueue};
use store::{DestinationLimits, Durability, FullPolicy};

use super::{Bind, ChangeError, Destinations, NodeQueue, QueueSettings};

/// A durable subscription as it was made or changed. It is not bound to its filter yet.
#[derive(Debug)]
pub(crate) struct PutSubscription {
    pub(crate) queue: Arc<NodeQueue>,
    pub(crate) bindings: Arc<Bindings>,
    /// How it was before; `None` when it is new.
    before: Option<StoredQueue>,
}

impl Destinations {
    /// Makes the durable subscription of a module or changes it. Whoever calls this binds it to its filter.
    pub(crate) async fn put_subscription(
        self: &Arc<Self>,
        flow: &FlowId,
        module: &ModuleId,
        filter: &TopicFilter,
        backlog: &Backlog,
    ) -> Result<PutSubscription, ChangeError> {
        let _alone = self.changes.lock().await;
        let (name, letters) = (QueueName::of_subscription(flow, module), QueueName::of_dead_letters(flow, module));
        let before = self.queue(&name).map(|queue| queue.stored());
        let missing = [&name, &letters].into_iter().filter(|name| self.queue(name).is_none()).count();
        if missing > 0 && self.queues.read().len() + missing > limits::QUEUES_MAX {
            return Err(ChangeError::TooMany);
        }
        if self.queue(&letters).is_none() {
            self.write(&letters, QueueSettings::for_dead_letters().resolve(&letters)?, Bind::Later).await?;
        }
        self.write(&name, options(filter, backlog, letters), Bind::Later).await?;
        let queues = self.queues.read();
        let running = queues.get(&name).ok_or_else(|| ChangeError::Gone(name.clone()))?;
        Ok(PutSubscription { queue: Arc::clone(&running.queue), bindings: Arc::clone(&running.bindings), before })
    }

    /// Puts back how a subscription was before a change that did not come about.
    pub(crate) async fn take_back(self: &Arc<Self>, put: &PutSubscription) -> Result<(), ChangeError> {
        let name = put.queue.name();
        match &put.before {
            Some(before) => {
                let _alone = self.changes.lock().await;
                self.write(name, before.options.clone(), Bind::Later).await.map(|_| ())
            }
            None => match name.owner() {
                Some((flow, module)) => self.remove_subscription(&flow, &module).await,
                None => Ok(()),
            },
        }
    }

    /// Removes the durable subscription of a module with all that waits in it.
    pub(crate) async fn remove_subscription(&self, flow: &FlowId, module: &ModuleId) -> Result<(), ChangeError> {
        let _alone = self.changes.lock().await;
        for name in [QueueName::of_subscription(flow, module), QueueName::of_dead_letters(flow, module)] {
            let Some(queue) = self.queue(&name) else { continue };
            let lost = queue.state().waiting_messages;
            if lost > 0 {
                tracing::warn!(queue = %name, lost, "a durable subscription was removed with the messages in it");
            }
            self.forget(&queue).await?;
        }
        Ok(())
    }

    /// What the router brings to a durable subscription.
    pub(crate) fn subscription_bindings(&self, flow: &FlowId, module: &ModuleId) -> Option<Arc<Bindings>> {
        let name = QueueName::of_subscription(flow, module);
        self.queues.read().get(&name).map(|running| Arc::clone(&running.bindings))
    }

    /// Messages that wait in the durable subscription of a module, and in its dead letter queue.
    pub(crate) fn waits_in_subscription(&self, flow: &FlowId, module: &ModuleId) -> u64 {
        let names = [QueueName::of_subscription(flow, module), QueueName::of_dead_letters(flow, module)];
        names.iter().filter_map(|name| self.queue(name)).map(|queue| queue.state().waiting_messages).sum()
    }

    /// All modules that have a durable subscription, with their flows.
    pub(crate) fn subscriptions(&self) -> BTreeSet<(FlowId, ModuleId)> {
        self.queues.read().keys().filter_map(QueueName::owner).collect()
    }
}

fn options(filter: &TopicFilter, backlog: &Backlog, letters: QueueName) -> QueueOptions {
    QueueOptions {
        bindings: vec![filter.detach()],
        limits: DestinationLimits { messages_max: backlog.messages_max, bytes_max: backlog.bytes_max, age_max: None },
        policy: match backlog.when_full {
            BacklogFull::Refuse => FullPolicy::Refuse,
            BacklogFull::DropOldest => FullPolicy::DropOldest,
            BacklogFull::DropNewest => FullPolicy::DropNewest,
        },
        durability: Durability::Fsync,
        // A flow says what became of each message, however long that takes, or is given up with all of them.
        ack_timeout: limits::SETTING_SPAN_MAX,
        deliveries_max: backlog.deliveries_max,
        dead_letter: Some(letters),
        has_priority: false,
        has_delay: false,
    }
}
