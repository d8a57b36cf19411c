//! Any sequence of subscribing, publishing, draining and switching over, against a broker of plain lists.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use broker::{LocalSubscriber, MailboxOptions, Router, RouterOptions, SubscribeOptions, Subscription};
use bytes::Bytes;
use message::{Publication, QoS, TopicFilter, TopicName};
use sim::Clock;

use crate::Target;
use crate::input::Input;

pub(super) const TARGET: Target = Target {
    name: "broker_operations",
    what: "every subscriber inside the node gets what a naive broker would give it, in its order",
    run,
    seeds: &[
        b"\x00\x00\x03\x01\x02\x00\x01\x02\x00\x05\x00\x03\x00",
        b"\x02\x01\x01\x01\x00\x00\x03\x02\x02\x04\x01\x00\x03\x00\x03\x01",
        b"\x00\x00\x04\x02\x00\x01\x04\x02\x02\x00\x02\x00\x04\x00\x01\x02\x00\x02\x00\x03\x00\x03\x01",
    ],
};

const SUBSCRIBERS: usize = 3;
pub(super) const TOPICS: [&str; 5] = ["a", "a/b", "b", "b/c", "$x/a"];
pub(super) const FILTERS: [&str; 7] = ["a", "a/b", "+", "a/#", "#", "+/b", "$x/+"];
pub(super) const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A message as a subscriber gets it: its number, its quality of service, whether it was kept.
type Got = (u32, QoS, bool);

#[derive(Debug, Default)]
struct NaiveSubscriber {
    filters: BTreeMap<&'static str, QoS>,
    /// Retained messages, in any order, before all that waits.
    replay: Vec<Waiting>,
    queue: VecDeque<Waiting>,
}

/// A message that waits for a subscriber.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    topic: &'static str,
    number: u32,
    published: QoS,
    granted: QoS,
}

impl Waiting {
    fn got(self, retain: bool) -> Got {
        (self.number, self.published.min(self.granted), retain)
    }
}

impl NaiveSubscriber {
    /// The highest quality of service that it grants to a topic, if it wants it.
    fn granted(&self, topic: &str) -> Option<QoS> {
        self.filters.iter().filter(|(filter, _)| matches(filter, topic)).map(|(_, qos)| *qos).max()
    }
}

struct Pair {
    router: Arc<Router>,
    real: Vec<LocalSubscriber>,
    naive: Vec<NaiveSubscriber>,
    retained: BTreeMap<&'static str, (u32, QoS)>,
    clock: Clock,
    published: u32,
}

fn run(data: &[u8]) {
    let router = Router::new(RouterOptions::new(7));
    let open = |_| LocalSubscriber::open(&router, MailboxOptions::for_session());
    let real = (0..SUBSCRIBERS).map(open).collect();
    let naive = (0..SUBSCRIBERS).map(|_| NaiveSubscriber::default()).collect();
    let mut pair = Pair { router, real, naive, retained: BTreeMap::new(), clock: Clock::default(), published: 0 };
    let mut input = Input::new(data);
    while !input.is_empty() {
        pair.step(&mut input);
    }
    (0..SUBSCRIBERS).for_each(|place| pair.drain(place));
}

impl Pair {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(5) {
            0 => {
                let (place, filter, qos) = (input.below(SUBSCRIBERS), input.pick(&FILTERS), input.pick(&QOS));
                self.real[place].subscribe(self.clock.now(), vec![subscription(filter, qos)]);
                self.join(place, &[(filter, qos)]);
            }
            1 | 2 => self.publish(input.pick(&TOPICS), input.pick(&QOS), input.below(4)),
            3 => self.drain(input.below(SUBSCRIBERS)),
            _ => self.switch(input.below(SUBSCRIBERS)),
        }
    }

    /// One leaves, and its neighbour takes over all that it has and all that waits for it.
    fn switch(&mut self, leaving: usize) {
        let joining = (leaving + 1) % SUBSCRIBERS;
        let left = std::mem::take(&mut self.naive[leaving]);
        let filters: Vec<(&'static str, QoS)> = left.filters.iter().map(|(filter, qos)| (*filter, *qos)).collect();
        let subscriptions = filters.iter().map(|(filter, qos)| subscription(filter, *qos)).collect();
        let joins = vec![(&self.real[joining], subscriptions)];
        broker::switch(&self.router, self.clock.now(), &[&self.real[leaving]], joins);
        let moved =
            |waiting: &Waiting| Waiting { granted: left.granted(waiting.topic).unwrap_or(waiting.granted), ..*waiting };
        let naive = &mut self.naive[joining];
        naive.replay.extend(left.replay.iter().map(moved));
        left.queue.iter().rev().for_each(|waiting| naive.queue.push_front(moved(waiting)));
        self.join(joining, &filters);
        // Whoever has left has nothing more, and does not come back.
        self.drain(leaving);
        self.real[leaving] = LocalSubscriber::open(&self.router, MailboxOptions::for_session());
    }

    fn join(&mut self, place: usize, filters: &[(&'static str, QoS)]) {
        let naive = &mut self.naive[place];
        naive.filters.extend(filters.iter().copied());
        for (filter, granted) in filters {
            let kept = self.retained.iter().filter(|(topic, _)| matches(filter, topic));
            naive.replay.extend(kept.map(|(&topic, &(number, published))| Waiting {
                topic,
                number,
                published,
                granted: *granted,
            }));
        }
    }

    /// `kind`: 0 and 1 publish, 2 keeps, 3 forgets what is kept.
    fn publish(&mut self, topic: &'static str, qos: QoS, kind: usize) {
        self.published += 1;
        let number = self.published;
        let payload = if kind == 3 { Bytes::new() } else { Bytes::from(number.to_string()) };
        let Ok(name) = TopicName::parse(topic) else { return };
        let publication = Publication::new(name, payload, qos, self.clock.now().wall);
        let publication = Publication { retain: kind >= 2, ..publication };
        let routed = self.router.publish(publication, None, &mut self.router.route_cache());
        match kind {
            2 => drop(self.retained.insert(topic, (number, qos))),
            3 => drop(self.retained.remove(topic)),
            _ => {}
        }
        let mut matched = 0;
        for naive in &mut self.naive {
            if let Some(granted) = naive.granted(topic) {
                matched += 1;
                let number = if kind == 3 { 0 } else { number };
                naive.queue.push_back(Waiting { topic, number, published: qos, granted });
            }
        }
        assert_eq!(routed.matched(), matched, "`{topic}` reaches so many");
    }

    fn drain(&mut self, place: usize) {
        let mut batch = VecDeque::new();
        while self.real[place].drain(self.clock.now(), &mut batch, 2) {}
        let number = |payload: &[u8]| std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
        let got = batch.iter().map(|one| (number(&one.publication.payload).unwrap_or(0), one.qos, one.retain));
        let mut got: Vec<Got> = got.collect();
        let naive = &mut self.naive[place];
        let kept = naive.replay.len().min(got.len());
        got[..kept].sort_unstable();
        let mut expected: Vec<Got> = naive.replay.drain(..).map(|waiting| waiting.got(true)).collect();
        expected.sort_unstable();
        expected.extend(naive.queue.drain(..).map(|waiting| waiting.got(false)));
        assert_eq!(got, expected, "subscriber {place}");
    }
}

fn subscription(filter: &str, qos: QoS) -> Subscription {
    let filter = TopicFilter::parse(filter).unwrap_or_else(|error| panic!("{error}"));
    Subscription { filter, options: SubscribeOptions { qos, ..SubscribeOptions::default() } }
}

pub(super) fn matches(filter: &str, topic: &str) -> bool {
    match (TopicFilter::parse(filter), TopicName::parse(topic)) {
        (Ok(filter), Ok(topic)) => filter.matches(&topic),
        _ => false,
    }
}
