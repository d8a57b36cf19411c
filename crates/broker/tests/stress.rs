//! Many threads at once: nothing is lost or doubled, whatever the interleaving.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use broker::{
    LocalSubscriber, MailboxOptions, Overflow, RetainHandling, Routed, Router, RouterOptions, SubscribeOptions,
    Subscription, switch,
};
use message::{Bytes, Moment, Now, Publication, QoS, Timestamp, TopicFilter, TopicName};

const PUBLISHERS: usize = 3;
const MESSAGES: usize = 20_000;

fn now() -> Now {
    Now { moment: Moment::default(), wall: Timestamp::default() }
}

fn open(router: &Arc<Router>, messages_max: usize) -> LocalSubscriber {
    LocalSubscriber::open(router, MailboxOptions::for_flow(messages_max, Overflow::Wait))
}

fn subscription(filter: &str, retain_handling: RetainHandling) -> Vec<Subscription> {
    let options = SubscribeOptions { qos: QoS::AtLeastOnce, retain_handling, ..SubscribeOptions::default() };
    vec![Subscription { filter: TopicFilter::parse(filter).unwrap(), options }]
}

fn message(topic: &str, number: usize) -> Publication {
    let topic = TopicName::parse(topic).unwrap();
    Publication::new(topic, Bytes::from(number.to_string()), QoS::AtLeastOnce, Timestamp::default())
}

/// Publishes numbered messages to a topic of its own, waiting when it is asked to.
fn publish_all(router: &Router, topic: &str) {
    let mut cache = router.route_cache();
    for number in 0..MESSAGES {
        wait(&router.publish(message(topic, number), None, &mut cache));
    }
}

fn wait(routed: &Routed) {
    while !routed.is_settled() {
        thread::yield_now();
    }
}

/// Notes what a subscriber got, by topic.
#[derive(Default)]
struct Received(BTreeMap<String, Vec<usize>>);

impl Received {
    fn drain(&mut self, subscriber: &LocalSubscriber) -> usize {
        let mut batch = VecDeque::new();
        subscriber.drain(now(), &mut batch, 64);
        self.take(batch.iter())
    }

    fn take<'a>(&mut self, deliveries: impl Iterator<Item = &'a broker::Delivery>) -> usize {
        let mut taken = 0;
        for delivery in deliveries {
            let number = std::str::from_utf8(&delivery.publication.payload).unwrap().parse().unwrap();
            self.0.entry(delivery.publication.topic.to_string()).or_default().push(number);
            taken += 1;
        }
        taken
    }
}

#[test]
fn under_wait_every_subscriber_gets_every_message_in_order() {
    let router = Router::new(RouterOptions::new(1));
    let subscribers: Vec<LocalSubscriber> = [10, 100].map(|messages_max| open(&router, messages_max)).into();
    for subscriber in &subscribers {
        subscriber.subscribe(now(), subscription("plc/+", RetainHandling::Never));
    }
    let received: Vec<Received> = thread::scope(|scope| {
        let drains: Vec<_> = subscribers
            .iter()
            .map(|subscriber| {
                scope.spawn(move || {
                    let (mut received, mut count) = (Received::default(), 0);
                    while count < PUBLISHERS * MESSAGES {
                        count += received.drain(subscriber);
                        thread::yield_now();
                    }
                    received
                })
            })
            .collect();
        for publisher in 0..PUBLISHERS {
            let router = &router;
            scope.spawn(move || publish_all(router, &format!("plc/{publisher}")));
        }
        drains.into_iter().map(|drain| drain.join().unwrap()).collect()
    });
    for received in received {
        assert_eq!(received.0.len(), PUBLISHERS);
        received.0.values().for_each(|numbers| assert!(numbers.iter().copied().eq(0..MESSAGES)));
    }
    subscribers.iter().for_each(|subscriber| assert_eq!(subscriber.dropped(), 0));
}

#[test]
fn switching_versions_over_and_over_keeps_every_message_in_its_order() {
    let router = Router::new(RouterOptions::new(1));
    let first = open(&router, 100);
    first.subscribe(now(), subscription("plc/#", RetainHandling::Never));
    let running = AtomicUsize::new(PUBLISHERS);
    let mut received = Received::default();
    let mut versions = 1;
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (router, running) = (&router, &running);
            scope.spawn(move || {
                publish_all(router, &format!("plc/{publisher}"));
                running.fetch_sub(1, Ordering::Release);
            });
        }
        let mut current = first;
        while running.load(Ordering::Acquire) > 0 {
            received.drain(&current);
            let next = open(&router, 100);
            switch(&router, now(), &[&current], vec![(&next, subscription("plc/#", RetainHandling::Never))]);
            assert_eq!(received.take(current.close().iter()), 0, "all that waited has moved on");
            current = next;
            versions += 1;
        }
        while received.drain(&current) > 0 {}
    });
    assert!(versions > 10, "only {versions} versions took part");
    assert_eq!(received.0.len(), PUBLISHERS);
    received.0.values().for_each(|numbers| assert!(numbers.iter().copied().eq(0..MESSAGES)));
}

#[test]
fn a_share_whose_members_come_and_go_delivers_each_message_once() {
    let router = Router::new(RouterOptions::new(1));
    let running = AtomicUsize::new(PUBLISHERS);
    let staying = open(&router, 100);
    staying.subscribe(now(), subscription("$share/g/plc/#", RetainHandling::Never));
    let received: Vec<Received> = thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (router, running) = (&router, &running);
            scope.spawn(move || {
                publish_all(router, &format!("plc/{publisher}"));
                running.fetch_sub(1, Ordering::Release);
            });
        }
        let come_and_go = scope.spawn(|| {
            let mut received = Received::default();
            while running.load(Ordering::Acquire) > 0 {
                let member = open(&router, 100);
                member.subscribe(now(), subscription("$share/g/plc/#", RetainHandling::Never));
                for _ in 0..3 {
                    received.drain(&member);
                    thread::yield_now();
                }
                // What it did not drain goes to the one who stays.
                drop(member);
            }
            received
        });
        let mut received = Received::default();
        while !come_and_go.is_finished() || staying.depth() > 0 {
            received.drain(&staying);
            thread::yield_now();
        }
        vec![received, come_and_go.join().unwrap()]
    });
    for publisher in 0..PUBLISHERS {
        let of_publisher = |received: &Received| received.0.get(&format!("plc/{publisher}")).cloned();
        let mut numbers: Vec<usize> = received.iter().filter_map(of_publisher).flatten().collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..MESSAGES));
    }
}

#[test]
fn a_retained_message_reaches_a_new_subscriber_exactly_once() {
    let router = Router::new(RouterOptions::new(1));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut cache = router.route_cache();
            for number in 0..MESSAGES {
                let retained = Publication { retain: true, ..message("state", number) };
                wait(&router.publish(retained, None, &mut cache));
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let subscriber = open(&router, 1_000_000);
            subscriber.subscribe(now(), subscription("#", RetainHandling::Always));
            let mut received = Received::default();
            for _ in 0..3 {
                received.drain(&subscriber);
                thread::yield_now();
            }
            let numbers = received.0.remove("state").unwrap_or_default();
            let without_gap = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
            assert!(without_gap, "{numbers:?}");
        }
    });
}
