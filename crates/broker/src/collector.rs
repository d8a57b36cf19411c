//! Destinations that take a message at once instead of letting it wait in a mailbox: queues and streams, which write it
//! to a log of their own.

use std::fmt;
use std::sync::Arc;

use message::{DestinationId, Now, Publication, QoS, TopicFilter};
use parking_lot::{Mutex, MutexGuard};
use store::log::Intake;
use store::spool::{AppendError, Placed};

use crate::mailbox::Mailbox;
use crate::promise::{Broken, Promises};
use crate::retained::RetainedTopics;
use crate::router::{Change, Router};
use crate::subscription::{RetainHandling, SubscribeOptions};

/// Takes messages on the thread of their publisher. It must not call the router back.
pub trait Collector: Send + Sync + fmt::Debug {
    /// Whether it takes this message. If so, only a disk that fails keeps [`Self::collect`] from it, whatever others bring in
    /// between: a message that one refuses is to go to nobody.
    fn ask(&self, _publication: &Publication) -> Result<(), AppendError> {
        Ok(())
    }

    /// Takes a message that it was asked for, whatever its QoS. Its publisher waits for the promises, and is told what broke.
    fn collect(&self, publication: &Publication) -> Result<Promises, Broken>;

    /// How the log takes in that messages are collected in.
    fn intake(&self) -> Option<&Arc<Intake>> {
        None
    }

    /// Where messages of QoS 1 and 2 are put for it in the router's spool. They are not collected then, but written in one
    /// record with all others who have them on disk: a crash takes all of it or nothing.
    fn destination(&self) -> Option<DestinationId> {
        None
    }

    /// Whether only those are put there that would be known if they came again after a crash, as their QoS 2 handshake is
    /// in that spool: they must not be in one log without the other.
    fn is_only_placed_exactly_once(&self) -> bool {
        false
    }

    /// What became of one that was put there, or that it did not take.
    fn handle_placed(&self, _placed: Placed) {}
}

/// What a collector is bound to: it gets what is published to topics that one of its filters matches, once however many
/// do. Nothing more comes when this is dropped.
#[derive(Debug)]
pub struct Bindings {
    router: Arc<Router>,
    mailbox: Arc<Mailbox>,
    filters: Mutex<Vec<TopicFilter>>,
}

impl Bindings {
    /// Bound to nothing yet.
    pub fn new(router: &Arc<Router>, collector: Arc<dyn Collector>) -> Self {
        Self { router: Arc::clone(router), mailbox: router.mailbox_of(collector), filters: Mutex::default() }
    }

    /// Binds to these filters instead of those before, in one step. What is retained does not come.
    pub fn set(&self, filters: Vec<TopicFilter>) {
        let rebound = Rebound::begin(&Rebinding { bindings: self, filters, with_retained: false });
        self.router.apply(rebound.changes());
        rebound.finish();
    }
}

/// New filters for a collector, to be bound in one step with other changes: see [`switch_and_bind`](crate::switch_and_bind).
#[derive(Debug)]
pub struct Rebinding<'a> {
    pub bindings: &'a Bindings,
    /// All that it is bound to from then on.
    pub filters: Vec<TopicFilter>,
    /// Whether retained messages come first, by filters that nobody had who takes part.
    pub with_retained: bool,
}

/// A collector while its filters change.
pub(crate) struct Rebound<'a> {
    mailbox: &'a Arc<Mailbox>,
    bound: MutexGuard<'a, Vec<TopicFilter>>,
    filters: Vec<TopicFilter>,
    with_retained: bool,
}

impl<'a> Rebound<'a> {
    pub(crate) fn begin(rebinding: &Rebinding<'a>) -> Self {
        Self {
            mailbox: &rebinding.bindings.mailbox,
            bound: rebinding.bindings.filters.lock(),
            filters: rebinding.filters.iter().map(TopicFilter::detach).collect(),
            with_retained: rebinding.with_retained,
        }
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let options = SubscribeOptions {
            qos: QoS::ExactlyOnce,
            retain_handling: RetainHandling::Never,
            ..SubscribeOptions::default()
        };
        let gone = self.bound.iter().filter(|filter| !self.filters.contains(filter));
        let gone = gone.map(|filter| Change::Unsubscribe { subscriber: self.mailbox.id(), filter });
        let come = self.filters.iter().map(move |filter| Change::Subscribe { mailbox: self.mailbox, filter, options });
        gone.chain(come)
    }

    /// Whether it was bound to that filter before.
    pub(crate) fn had(&self, filter: &TopicFilter) -> bool {
        self.bound.contains(filter)
    }

    /// The filters whose retained messages come, where `had` says which filters nobody needs to begin with.
    pub(crate) fn replayed(&self, had: impl Fn(&TopicFilter) -> bool) -> Vec<TopicFilter> {
        let new = self.filters.iter().filter(|filter| self.with_retained && !self.bound.contains(filter));
        new.filter(|filter| !had(filter)).cloned().collect()
    }

    /// Hands over the retained messages of these filters, each once. What the collector has no room for does not come.
    pub(crate) fn replay(&self, now: Now, router: &Router, topics: &RetainedTopics, filters: &[TopicFilter]) {
        let Some(collector) = self.mailbox.collector() else { return };
        for (place, filter) in filters.iter().enumerate() {
            topics.for_each_match(filter, &router.hasher(), &mut |publication| {
                let came = filters.iter().take(place).any(|before| before.matches(&publication.topic));
                if !came && publication.expiry_left_s(now.wall) != Some(0) {
                    // Nobody waits for it: a crash before it is safe finds no new filter either.
                    let _ = collector.ask(publication).map(|()| collector.collect(publication));
                }
            });
        }
    }

    pub(crate) fn finish(mut self) {
        *self.bound = std::mem::take(&mut self.filters);
    }
}

impl Drop for Bindings {
    fn drop(&mut self) {
        self.set(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LocalSubscriber, MailboxOptions, Overflow, RouterOptions, Subscription};
    use message::{Bytes, Moment, Now, QoS, Timestamp, TopicName};

    #[derive(Debug, Default)]
    struct Collected {
        topics: Mutex<Vec<String>>,
        placed: Mutex<Vec<Placed>>,
        full: bool,
    }

    impl Collector for Collected {
        fn ask(&self, _: &Publication) -> Result<(), AppendError> {
            if self.full { Err(AppendError::NoRoom { free_bytes: 0 }) } else { Ok(()) }
        }

        fn collect(&self, publication: &Publication) -> Result<Promises, Broken> {
            self.topics.lock().push(publication.topic.as_str().to_owned());
            Ok(Promises::default())
        }

        fn handle_placed(&self, placed: Placed) {
            self.placed.lock().push(placed);
        }
    }

    fn filters(texts: &[&str]) -> Vec<TopicFilter> {
        texts.iter().map(|text| TopicFilter::parse(text).unwrap()).collect()
    }

    fn publication(topic: &str, payload: &'static [u8], qos: QoS) -> Publication {
        let topic = TopicName::parse(topic).unwrap();
        Publication::new(topic, Bytes::from_static(payload), qos, Timestamp::default())
    }

    fn publish(router: &Arc<Router>, topic: &str, qos: QoS) -> crate::Routed {
        router.publish(publication(topic, b"1", qos), None, &mut router.route_cache())
    }

    #[test]
    fn a_collector_gets_each_message_that_its_bindings_match_once() {
        let router = Router::new(RouterOptions::new(1));
        let collected = Arc::<Collected>::default();
        let bindings = Bindings::new(&router, Arc::clone(&collected) as Arc<dyn Collector>);
        bindings.set(filters(&["a/#", "a/b"]));
        assert_eq!(publish(&router, "a/b", QoS::AtMostOnce).matched(), 1);
        assert_eq!(publish(&router, "b", QoS::AtLeastOnce).matched(), 0);
        bindings.set(filters(&["a/b", "b"]));
        for topic in ["a/c", "a/b", "b"] {
            assert!(publish(&router, topic, QoS::ExactlyOnce).is_settled());
        }
        assert_eq!(*collected.topics.lock(), ["a/b", "a/b", "b"]);
        drop(bindings);
        assert_eq!(publish(&router, "b", QoS::AtLeastOnce).matched(), 0);
        assert_eq!(router.figures().subscriptions, 0);
    }

    #[test]
    fn nobody_gets_a_message_that_a_collector_has_no_room_for_and_its_publisher_is_told() {
        let router = Router::new(RouterOptions::new(1));
        let full = Arc::new(Collected { full: true, ..Collected::default() });
        let roomy = Arc::<Collected>::default();
        let refusing = Bindings::new(&router, Arc::clone(&full) as Arc<dyn Collector>);
        let taking = Bindings::new(&router, Arc::clone(&roomy) as Arc<dyn Collector>);
        taking.set(filters(&["a"]));
        let other = LocalSubscriber::open(&router, MailboxOptions::for_flow(10, Overflow::Wait));
        let now = Now { moment: Moment::default(), wall: Timestamp::default() };
        let [filter] = <[TopicFilter; 1]>::try_from(filters(&["a"])).unwrap();
        other.subscribe(now, vec![Subscription { filter: filter.clone(), options: SubscribeOptions::default() }]);
        let send = |payload: &'static [u8], qos| {
            let publication = publication("a", payload, qos);
            router.publish(Publication { retain: true, ..publication }, None, &mut router.route_cache())
        };
        assert_eq!(send(b"kept", QoS::AtLeastOnce).broken(), None);
        refusing.set(filters(&["a"]));
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let routed = send(b"refused", qos);
            assert!(routed.is_settled() && routed.matched() > 0);
            assert_eq!(routed.broken(), Some(Broken::NoRoom));
        }
        assert_eq!((other.depth(), roomy.topics.lock().len(), full.topics.lock().len()), (1, 1, 0));
        assert_eq!(full.placed.lock().as_slice(), [Placed::Refused; 2], "it counts what it refuses");
        assert_eq!(router.retained(&filter, now.wall)[0].payload.as_ref(), b"kept");
        // Nobody is told of QoS 0: whoever has room gets it, and who has none counts it.
        let routed = send(b"lost to one", QoS::AtMostOnce);
        assert_eq!((routed.matched(), routed.dropped(), routed.broken()), (3, 1, None));
        assert_eq!((other.depth(), roomy.topics.lock().len(), full.placed.lock().len()), (2, 2, 3));
        assert_eq!(router.retained(&filter, now.wall)[0].payload.as_ref(), b"lost to one");
    }
}
