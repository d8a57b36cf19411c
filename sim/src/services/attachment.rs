//! The subscriptions of one version of a flow on the real router, made and switched as the node does it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use broker::{
    Delivery, LocalSubscriber, MailboxOptions, Overflow, RetainHandling, RouteCache, Router, SubscribeOptions,
    Subscription,
};
use flow::run::Receipt;
use flow::services::{Broker, Inbox, Published, ServiceError, SubscribeRequest, Taken};
use message::{ModuleId, Now, Publication};

use crate::Clock;

/// What one version holds of the broker.
#[derive(Debug)]
pub struct Attachment {
    router: Arc<Router>,
    clock: Clock,
    mailbox_messages_max: usize,
    subscribers: Mutex<Vec<(Subscription, Arc<LocalSubscriber>)>>,
    routes: Mutex<RouteCache>,
}

impl Attachment {
    /// An attachment whose mailboxes hold their publishers back at `mailbox_messages_max`.
    pub fn new(router: &Arc<Router>, clock: &Clock, mailbox_messages_max: usize) -> Arc<Self> {
        Arc::new(Self {
            router: Arc::clone(router),
            clock: clock.clone(),
            mailbox_messages_max,
            subscribers: Mutex::default(),
            routes: Mutex::new(router.route_cache()),
        })
    }

    /// Makes this version's subscriptions live and those of the version before silent, in one step.
    pub fn take_over_from(&self, before: Option<&Self>) {
        let joining = self.lock().clone();
        let leaving = before.map(|before| before.lock().clone()).unwrap_or_default();
        let leaving: Vec<&LocalSubscriber> = leaving.iter().map(|(_, subscriber)| &**subscriber).collect();
        let joining = joining.iter().map(|(subscription, one)| (&**one, vec![subscription.clone()])).collect();
        broker::switch(&self.router, self.clock.now(), &leaving, joining);
    }

    /// Messages that were dropped before this version took them.
    pub fn dropped(&self) -> u64 {
        self.lock().iter().map(|(_, subscriber)| subscriber.dropped()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Subscription, Arc<LocalSubscriber>)>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker for Attachment {
    fn subscribe(&self, _: &ModuleId, request: SubscribeRequest) -> Result<Box<dyn Inbox>, ServiceError> {
        if request.durable.is_some() {
            return Err(ServiceError("a simulated node has no disk for a durable subscription".to_owned()));
        }
        let options = SubscribeOptions {
            qos: request.qos,
            retain_as_published: true,
            retain_handling: RetainHandling::IfNew,
            ..SubscribeOptions::default()
        };
        let mailbox = MailboxOptions {
            overflow_at_most_once: Overflow::DropWrite,
            ..MailboxOptions::for_flow(self.mailbox_messages_max, Overflow::Wait)
        };
        let subscriber = Arc::new(LocalSubscriber::open(&self.router, mailbox));
        self.lock().push((Subscription { filter: request.filter, options }, Arc::clone(&subscriber)));
        Ok(Box::new(MailboxInbox { subscriber, clock: self.clock.clone(), batch: VecDeque::new() }))
    }

    fn publish(&self, _: Now, publication: Publication, _: Option<&Receipt>) -> Result<Published, ServiceError> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let routed = self.router.publish(publication, None, &mut routes);
        if routed.is_settled() {
            return Ok(Published::Done);
        }
        Ok(Published::HoldBack(Box::pin(
            async move { routed.await.map_err(|broken| ServiceError(broken.to_string())) },
        )))
    }
}

/// A mailbox of the broker as an inbound module sees it.
struct MailboxInbox {
    subscriber: Arc<LocalSubscriber>,
    clock: Clock,
    batch: VecDeque<Delivery>,
}

impl Inbox for MailboxInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<Taken>) {
        self.subscriber.set_waker(cx.waker().clone());
        self.subscriber.drain(self.clock.now(), &mut self.batch, room);
        taken.extend(self.batch.drain(..).map(|delivery| Taken {
            publication: delivery.publication,
            qos: delivery.qos,
            retained: delivery.retain,
            receipt: None,
        }));
    }

    fn waiting(&self) -> usize {
        self.subscriber.depth()
    }
}
