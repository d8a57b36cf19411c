//! What one version of a flow holds of the node: its subscriptions and endpoints. They are made while the version is
//! built and become live in one step, when the node switches to it from the version before.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use broker::{
    Delivery, LocalSubscriber, MailboxOptions, Overflow, Rebinding, RetainHandling, RouteCache, Routed, Router,
    SubscribeOptions, Subscription,
};
use flow::run::Receipt;
use flow::services::{Answer, Broker, Inbox, Published, ServiceError, SubscribeRequest, Taken};
use message::{ModuleId, Moment, Now, Publication, limits};
use parking_lot::Mutex;

use super::durable::DurableSubscriptions;
use crate::clock;

/// How long a publisher inside the node holds back at most for a full mailbox. Flows may feed each other in a circle:
/// without an end they would wait for each other for ever. A crowded log is waited for as long as it takes.
const HOLD_BACK_MAX: Duration = Duration::from_secs(1);

/// How long a slow batch may keep those waiting who subscribed to what it publishes.
const WAKES_HELD_FOR_MAX: Duration = Duration::from_millis(1);

/// The subscriptions of one version of a flow.
pub(super) struct Attachment {
    router: Arc<Router>,
    subscribers: Mutex<Vec<Attached>>,
    pub(super) durable: DurableSubscriptions,
    publisher: Mutex<Publisher>,
}

/// How this version publishes.
struct Publisher {
    routes: RouteCache,
    /// When the first message was published whose subscribers are not woken yet.
    held_since: Option<Moment>,
}

struct Attached {
    module: ModuleId,
    subscription: Subscription,
    subscriber: Arc<LocalSubscriber>,
}

impl Attachment {
    pub(super) fn new(router: &Arc<Router>) -> Arc<Self> {
        Arc::new(Self {
            router: Arc::clone(router),
            subscribers: Mutex::default(),
            durable: DurableSubscriptions::default(),
            publisher: Mutex::new(Publisher { routes: router.route_cache(), held_since: None }),
        })
    }

    /// Makes this version's subscriptions live and those of the version before silent, in one step: each message goes
    /// to exactly one of the two, or to a durable subscription, which is bound in that same step.
    pub(super) fn take_over_from(&self, before: Option<&Self>, now: Now, binding: &[Rebinding<'_>]) {
        if let Some(before) = before {
            before.durable.rest();
        }
        let subscribers = self.subscribers.lock();
        let leaving: Vec<Arc<LocalSubscriber>> = before.map(Self::subscribers).unwrap_or_default();
        let leaving: Vec<&LocalSubscriber> = leaving.iter().map(Arc::as_ref).collect();
        let joining = subscribers.iter().map(|one| (one.subscriber.as_ref(), vec![one.subscription.clone()])).collect();
        broker::switch_and_bind(&self.router, now, &leaving, joining, binding);
        drop(subscribers);
        self.durable.join();
    }

    /// Makes the subscriptions silent. What already waits can still be drained; for durable ones it waits on.
    pub(super) fn leave(&self, now: Now) {
        self.durable.rest();
        let leaving = self.subscribers();
        let leaving: Vec<&LocalSubscriber> = leaving.iter().map(Arc::as_ref).collect();
        broker::switch(&self.router, now, &leaving, Vec::new());
    }

    /// Messages that wait for this version and are lost with it.
    pub(super) fn waiting(&self) -> usize {
        self.subscribers.lock().iter().map(|one| one.subscriber.depth()).sum()
    }

    /// Messages that were dropped before this version took them, as its mailboxes were full.
    pub(super) fn dropped(&self) -> u64 {
        self.subscribers.lock().iter().map(|one| one.subscriber.dropped()).sum()
    }

    /// Wakes those who got messages of the batch that has just ended.
    pub(super) fn end_batch(&self) {
        self.publisher.lock().end_batch();
    }

    fn subscribers(&self) -> Vec<Arc<LocalSubscriber>> {
        self.subscribers.lock().iter().map(|one| Arc::clone(&one.subscriber)).collect()
    }
}

impl Publisher {
    /// Publishes, and lets the subscribers sleep until the batch ends or has taken its time: woken at every message,
    /// they would drain the batch in many small steps.
    fn publish(&mut self, router: &Router, now: Moment, publication: Publication) -> Routed {
        let since = *self.held_since.get_or_insert_with(|| {
            self.routes.hold_wakes();
            now
        });
        let routed = router.publish(publication, None, &mut self.routes);
        if now.since(since) >= WAKES_HELD_FOR_MAX || !routed.is_released() {
            self.end_batch();
        }
        routed
    }

    fn end_batch(&mut self) {
        if self.held_since.take().is_some() {
            self.routes.release_wakes();
        }
    }
}

impl Broker for Attachment {
    fn subscribe(&self, module: &ModuleId, request: SubscribeRequest) -> Result<Box<dyn Inbox>, ServiceError> {
        if let Some(backlog) = request.durable {
            return Ok(self.durable.subscribe(module, request, backlog));
        }
        let options = SubscribeOptions {
            qos: request.qos,
            retain_as_published: true,
            // A new version goes on where the one before stopped: it has seen the retained messages already.
            retain_handling: RetainHandling::IfNew,
            ..SubscribeOptions::default()
        };
        let subscription = Subscription { filter: request.filter, options };
        let mut subscribers = self.subscribers.lock();
        let same = |one: &&Attached| one.module == *module && one.subscription == subscription;
        // A version that is built again after a crash finds what came in meanwhile.
        let subscriber = match subscribers.iter().find(same) {
            Some(attached) => Arc::clone(&attached.subscriber),
            None => {
                let options = MailboxOptions {
                    overflow_at_most_once: Overflow::DropWrite,
                    ..MailboxOptions::for_flow(limits::MAILBOX_MESSAGES_MAX, Overflow::Wait)
                };
                let subscriber = Arc::new(LocalSubscriber::open(&self.router, options));
                let module = module.clone();
                subscribers.push(Attached { module, subscription, subscriber: Arc::clone(&subscriber) });
                subscriber
            }
        };
        Ok(Box::new(MailboxInbox { subscriber, waker: None, batch: VecDeque::new() }))
    }

    fn publish(
        &self,
        now: Now,
        publication: Publication,
        receipt: Option<&Receipt>,
    ) -> Result<Published, ServiceError> {
        let mut routed = self.publisher.lock().publish(&self.router, now.moment, publication);
        if routed.is_released() {
            return hold_until_settled(routed, receipt).map(|()| Published::Done);
        }
        let receipt = receipt.cloned();
        let answer: Answer<Result<(), ServiceError>> = Box::pin(async move {
            let released = poll_fn(|context| routed.poll_released(context.waker()));
            if tokio::time::timeout(HOLD_BACK_MAX, released).await.is_err() {
                // The mailbox takes more up to its hard limit, then drops and counts.
                routed.leave_mailboxes();
                poll_fn(|context| routed.poll_released(context.waker())).await;
            }
            hold_until_settled(routed, receipt.as_ref())
        });
        Ok(Published::HoldBack(answer))
    }
}

/// Whoever waits for the end of the itinerary waits until the message is on disk, too. An error if it was refused.
fn hold_until_settled(routed: Routed, receipt: Option<&Receipt>) -> Result<(), ServiceError> {
    if routed.is_settled() {
        return routed.broken().map_or(Ok(()), |broken| Err(ServiceError(broken.to_string())));
    }
    if let Some(receipt) = receipt.cloned() {
        tokio::spawn(async move {
            if routed.await.is_err() {
                receipt.fail();
            }
        });
    }
    Ok(())
}

/// A mailbox of the broker as an inbound module sees it.
struct MailboxInbox {
    subscriber: Arc<LocalSubscriber>,
    /// The waker that the mailbox has.
    waker: Option<Waker>,
    batch: VecDeque<Delivery>,
}

impl Inbox for MailboxInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<Taken>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.subscriber.set_waker(cx.waker().clone());
        }
        self.subscriber.drain(clock::now(), &mut self.batch, room);
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
