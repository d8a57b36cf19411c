//! Prints what routing costs, in nanoseconds per publish: the numbers behind the hot path's budget.
//! Run it with `cargo run --release -p broker --example routing_speed`.

#![expect(clippy::expect_used, reason = "a measurement stops at the first surprise")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{
    LocalSubscriber, MailboxOptions, Overflow, RouteCache, Router, RouterOptions, SubscribeOptions, Subscription,
};
use message::{Bytes, Moment, Now, Publication, QoS, Timestamp, TopicFilter, TopicName};

const ROUND: usize = 64;

fn main() {
    println!("case                                                ns/publish   ns/delivery");
    one_to_one();
    one_to_one_across_threads();
    fan_out(50);
    wildcards("100,000 wildcard subscriptions, 10 match, cached ", 1, 10_000);
    wildcards("100,000 wildcard subscriptions, 10 match, no cache", 10_000, 10_000);
    flat(100_000);
    same_filter(100_000);
}

fn one_to_one() {
    let router = Router::new(RouterOptions::new(1));
    let subscribers = vec![subscriber(&router, "plc/line1/temperature")];
    report(
        "1 subscriber, exact, same thread",
        &router,
        &topics(1, |_| "plc/line1/temperature".into()),
        &subscribers,
        1,
    );
}

fn fan_out(count: usize) {
    let router = Router::new(RouterOptions::new(1));
    let subscribers: Vec<_> = (0..count).map(|_| subscriber(&router, "plc/+/temperature")).collect();
    let topics = topics(1, |_| "plc/line1/temperature".into());
    report("50 subscribers", &router, &topics, &subscribers, count);
}

/// 10,000 devices with ten subscribers each, every filter with a wildcard.
fn wildcards(name: &str, topics_used: usize, devices: usize) {
    let router = Router::new(RouterOptions::new(1));
    let subscribers: Vec<_> = (0..10 * devices).map(|n| subscriber(&router, &filter(n / 10, n % 10))).collect();
    // A stride makes neighbours in time strangers in memory.
    let topics = topics(topics_used, |n| format!("site/a/device/{}/data/x", n * 7919 % devices));
    report(name, &router, &topics, &subscribers, 10);
}

fn filter(device: usize, kind: usize) -> String {
    match kind {
        0 => format!("site/+/device/{device}/#"),
        1 => format!("site/a/+/{device}/data/x"),
        2 => format!("+/a/device/{device}/data/x"),
        3 => format!("site/a/device/{device}/+/x"),
        4 => format!("site/a/device/{device}/data/+"),
        _ => format!("site/a/device/{device}/data/#"),
    }
}

/// One level with very many names: subscribing must not copy them all.
fn flat(count: usize) {
    let router = Router::new(RouterOptions::new(1));
    let filters: Vec<String> = (0..count).map(|n| format!("device/{n}/+")).collect();
    subscribe_rate("subscribe, 100,000 filters", &router, &filters);
}

/// One filter with very many subscribers: neither.
fn same_filter(count: usize) {
    let router = Router::new(RouterOptions::new(1));
    let filters: Vec<String> = (0..count).map(|_| "broadcast/#".to_owned()).collect();
    subscribe_rate("subscribe, 100,000 on one filter", &router, &filters);
}

fn subscribe_rate(name: &str, router: &Arc<Router>, filters: &[String]) {
    let (subscribers, span) =
        timed(|| filters.iter().map(|filter| subscriber(router, filter)).collect::<Vec<LocalSubscriber>>());
    print(name, span, filters.len(), filters.len());
    let count = subscribers.len();
    let ((), span) = timed(|| drop(subscribers));
    print("unsubscribe the same", span, count, count);
}

/// One thread publishes, another drains.
fn one_to_one_across_threads() {
    let router = Router::new(RouterOptions::new(1));
    let subscriber = subscriber(&router, "plc/line1/temperature");
    let topic = TopicName::parse("plc/line1/temperature").expect("a topic");
    let rounds = 2_000_000;
    let ((), span) = timed(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut batch = VecDeque::new();
                let mut taken = 0;
                while taken < rounds {
                    subscriber.drain(now(), &mut batch, 256);
                    taken += batch.len();
                    if batch.is_empty() {
                        std::thread::yield_now();
                    }
                    batch.clear();
                }
            });
            let mut cache = router.route_cache();
            for _ in 0..rounds {
                let routed = router.publish(publication(&topic), None, &mut cache);
                while !routed.is_settled() {
                    std::thread::yield_now();
                }
            }
        });
    });
    print("1 subscriber, exact, on another thread", span, rounds, rounds);
}

fn report(name: &str, router: &Arc<Router>, topics: &[TopicName], subscribers: &[LocalSubscriber], matched: usize) {
    let mut cache = router.route_cache();
    let rounds = 400_000 / matched;
    publish_all(router, &mut cache, topics, subscribers, rounds / 10, matched);
    let ((), span) = timed(|| publish_all(router, &mut cache, topics, subscribers, rounds, matched));
    print(name, span, rounds, rounds * matched);
}

fn publish_all(
    router: &Router,
    cache: &mut RouteCache,
    topics: &[TopicName],
    subscribers: &[LocalSubscriber],
    rounds: usize,
    matched: usize,
) {
    let mut batch = VecDeque::new();
    let few = subscribers.len() <= 50;
    for (round, topic) in topics.iter().cycle().take(rounds).enumerate() {
        let routed = router.publish(publication(topic), None, cache);
        assert_eq!(routed.matched() as usize, matched);
        if few && round % ROUND == ROUND - 1 {
            for subscriber in subscribers {
                subscriber.drain(now(), &mut batch, ROUND);
                black_box(&batch);
                batch.clear();
            }
        }
    }
}

fn subscriber(router: &Arc<Router>, filter: &str) -> LocalSubscriber {
    let subscriber = LocalSubscriber::open(router, MailboxOptions::for_flow(1_000_000, Overflow::Wait));
    let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
    let filter = TopicFilter::parse(filter).expect("a filter");
    subscriber.subscribe(now(), vec![Subscription { filter, options }]);
    subscriber
}

fn publication(topic: &TopicName) -> Publication {
    static PAYLOAD: [u8; 64] = [b'x'; 64];
    Publication::new(topic.clone(), Bytes::from_static(&PAYLOAD), QoS::AtMostOnce, Timestamp::default())
}

fn topics(count: usize, name: impl Fn(usize) -> String) -> Vec<TopicName> {
    (0..count).map(|n| TopicName::parse(&name(n)).expect("a topic")).collect()
}

fn now() -> Now {
    Now { moment: Moment::default(), wall: Timestamp::default() }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn print(name: &str, span: Duration, publishes: usize, deliveries: usize) {
    let nanos = span.as_nanos() as f64;
    println!("{name:<50} {:>11.0} {:>13.0}", nanos / publishes as f64, nanos / deliveries as f64);
}
