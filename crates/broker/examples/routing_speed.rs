//! Prints what routing costs, in nanoseconds of CPU time per publish: the numbers behind the hot path's budget.
//! CPU time, as the budget is one of CPU time and others may use the machine meanwhile; outside Linux wall time.
//! Run it with `cargo run --release -p broker --example routing_speed`, with `-- wildcards` for those alone.

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
const DEVICES: usize = 10_000;
const STRANGER_ROUNDS: usize = 25;

fn main() {
    println!("{:<50} {:>11} {:>13}", "case", "ns/publish", "ns/delivery");
    println!("100,000 wildcard subscriptions, 10 match:");
    // First, while the process has no memory left over from others.
    memory();
    wildcards("  one topic", 1, 100_000);
    wildcards("  10,000 topics, 1,000 subscribers", DEVICES, 1_000);
    wildcards("  10,000 topics, 100,000 subscribers", DEVICES, 100_000);
    strangers("  topics that never come again, 1,000 subscribers", 1_000);
    strangers("  topics that never come again, 100,000 subscribers", 100_000);
    if std::env::args().nth(1).as_deref() == Some("wildcards") {
        return;
    }
    one_to_one();
    one_to_one_across_threads();
    fan_out(50);
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

/// Ten subscriptions for each device, of ten subscribers, every filter with a wildcard.
fn wildcards(name: &str, topics_used: usize, subscribers: usize) {
    let router = Router::new(RouterOptions::new(1));
    // Nobody drains so many: each keeps its latest few.
    let few = MailboxOptions::for_flow(4, Overflow::DropOldest);
    let subscribers: Vec<_> = (0..subscribers).map(|_| LocalSubscriber::open(&router, few)).collect();
    for number in 0..10 * DEVICES {
        let subscriber = &subscribers[number % subscribers.len()];
        subscriber.subscribe(now(), vec![subscription(&filter(number / 10, number % 10))]);
    }
    // A stride makes neighbours in time strangers in memory.
    let topics = topics(topics_used, |n| format!("site/a/device/{}/data/x", n * 7919 % DEVICES));
    report(name, &router, &topics, &subscribers, 10);
    if topics_used > 1 {
        let rounds = 1_000_000;
        let (reached, span) = timed(|| topics.iter().cycle().take(rounds).map(|topic| router.reach(topic)).sum());
        print("    matching alone", span, rounds, reached);
    }
}

/// What subscriptions hold, with what changing the tree left over between them.
fn memory() {
    let router = Router::new(RouterOptions::new(1));
    let subscribers = local_subscribers(&router, 1_000);
    let before = resident_bytes();
    subscribe_strangers(&subscribers);
    let bytes = resident_bytes().saturating_sub(before) / (10 * DEVICES);
    println!("  resident: {bytes} bytes a subscription");
}

/// The same with topics that no cache can know, each published once; the subscribers drain between the rounds.
fn strangers(name: &str, subscribers: usize) {
    let router = Router::new(RouterOptions::new(1));
    let subscribers = local_subscribers(&router, subscribers);
    subscribe_strangers(&subscribers);
    let mut cache = router.route_cache();
    let (mut matching, mut publishing) = (Vec::new(), Vec::new());
    let mut batch = VecDeque::new();
    for round in 0..STRANGER_ROUNDS {
        let topics = topics(DEVICES, |n| format!("site/a/device/{}/data/{}", n * 7919 % DEVICES, round * DEVICES + n));
        let (reached, span) = timed(|| topics.iter().map(|topic| router.reach(topic)).sum::<usize>());
        assert_eq!(reached, 10 * DEVICES);
        matching.push(span);
        let ((), span) = timed(|| {
            for topic in &topics {
                assert_eq!(router.publish(publication(topic), None, &mut cache).matched(), 10);
            }
        });
        publishing.push(span);
        for subscriber in &subscribers {
            while subscriber.drain(now(), &mut batch, 1024) {
                batch.clear();
            }
            batch.clear();
        }
    }
    print(name, median(publishing), DEVICES, 10 * DEVICES);
    print("    matching alone", median(matching), DEVICES, 10 * DEVICES);
}

fn local_subscribers(router: &Arc<Router>, count: usize) -> Vec<LocalSubscriber> {
    (0..count).map(|_| LocalSubscriber::open(router, MailboxOptions::for_session())).collect()
}

fn subscribe_strangers(subscribers: &[LocalSubscriber]) {
    for number in 0..10 * DEVICES {
        let subscriber = &subscribers[number % subscribers.len()];
        subscriber.subscribe(now(), vec![subscription(&stranger_filter(number / 10, number % 10))]);
    }
}

fn stranger_filter(device: usize, kind: usize) -> String {
    match kind {
        0 => format!("site/+/device/{device}/#"),
        1 => format!("site/a/+/{device}/data/+"),
        2 => format!("+/a/device/{device}/data/+"),
        3 => format!("site/a/device/{device}/+/+"),
        4 => format!("site/a/device/{device}/data/+"),
        _ => format!("site/a/device/{device}/data/#"),
    }
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied().unwrap_or_default()
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
    let rounds = 4_000_000;
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
    let rounds = 8_000_000 / matched;
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
    subscriber.subscribe(now(), vec![subscription(filter)]);
    subscriber
}

fn subscription(filter: &str) -> Subscription {
    let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
    Subscription { filter: TopicFilter::parse(filter).expect("a filter"), options }
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
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let result = run();
    let wall = start.elapsed();
    (result, cpu_start.zip(cpu_time()).map_or(wall, |(start, end)| end - start))
}

/// User and system time of all threads so far.
#[cfg(target_os = "linux")]
fn cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Option<Duration> {
    None
}

/// What this process holds in memory, in pages of 4 KiB as on x86-64; outside Linux zero.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn print(name: &str, span: Duration, publishes: usize, deliveries: usize) {
    let nanos = span.as_nanos() as f64;
    println!("{name:<50} {:>11.0} {:>13.0}", nanos / publishes as f64, nanos / deliveries as f64);
}
