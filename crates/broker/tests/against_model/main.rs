//! Any sequence of operations on the router and its sessions, held against a broker that is as simple as it can be.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod model;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use broker::{
    Connect, Connected, Ending, MailboxOptions, Outgoing, Router, RouterOptions, Session, SessionExpiry, Sessions,
    SubscribeOptions, Subscription, Will,
};
use message::{
    Bytes, ClientId, Moment, Now, Publication, PublicationProperties, QoS, Timestamp, TopicFilter, TopicName,
};
use model::{ModelConnect, ModelMessage, ModelSubscription, Sent};
use proptest::prelude::*;

const CLIENTS: usize = 3;
const TOPICS: [&str; 5] = ["a", "a/b", "b", "b/c", "$x/a"];
const FILTERS: [&str; 8] = ["a", "a/b", "+", "a/#", "#", "+/b", "$x/+", "will/+"];
/// What every client lets be under way at once.
const IN_FLIGHT_MAX: u16 = 3;

#[derive(Debug, Clone)]
enum Step {
    /// As a takeover when the client is connected.
    Connect(usize, ModelConnect),
    Leave(usize, Ending),
    /// Closes without a word, as when a task panics.
    Drop(usize),
    Subscribe(usize, Vec<ModelSubscription>),
    Unsubscribe(usize, Vec<&'static str>),
    Publish {
        origin: Option<usize>,
        topic: &'static str,
        qos: QoS,
        retain: bool,
        empty: bool,
        expiry_s: Option<u32>,
    },
    Take(usize),
    /// Acknowledges one delivery that is under way: PUBACK, PUBREC or PUBCOMP, whichever is next.
    Acknowledge(usize, usize),
    Pass(u64),
}

fn any_qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn any_connect() -> impl Strategy<Value = ModelConnect> {
    let expiry_s = prop::sample::select(vec![Some(0), Some(10), None]);
    (any::<bool>(), expiry_s, prop::option::of(prop::sample::select(vec![0u64, 5, 20])))
        .prop_map(|(clean_start, expiry_s, will_delay_s)| ModelConnect { clean_start, expiry_s, will_delay_s })
}

fn any_subscription() -> impl Strategy<Value = ModelSubscription> {
    (prop::sample::select(&FILTERS[..]), any_qos(), any::<bool>(), 0u32..4)
        .prop_map(|(filter, qos, no_local, id)| ModelSubscription { filter, qos, no_local, id })
}

fn any_step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    let filters = prop::collection::vec(prop::sample::select(&FILTERS[..]), 1..3);
    let ending = prop::sample::select(vec![Ending::Orderly, Ending::Lost]);
    let origin = prop::option::of(0..CLIENTS);
    let expiry_s = prop::option::weighted(0.2, 1u32..8);
    let publish =
        (origin, prop::sample::select(&TOPICS[..]), any_qos(), any::<bool>(), prop::bool::weighted(0.1), expiry_s)
            .prop_map(|(origin, topic, qos, retain, empty, expiry_s)| Step::Publish {
                origin,
                topic,
                qos,
                retain,
                empty,
                expiry_s,
            });
    prop_oneof![
        3 => (client.clone(), any_connect()).prop_map(|(client, connect)| Step::Connect(client, connect)),
        1 => (client.clone(), ending).prop_map(|(client, ending)| Step::Leave(client, ending)),
        1 => client.clone().prop_map(Step::Drop),
        3 => (client.clone(), prop::collection::vec(any_subscription(), 1..4))
            .prop_map(|(client, subscriptions)| Step::Subscribe(client, subscriptions)),
        1 => (client.clone(), filters).prop_map(|(client, filters)| Step::Unsubscribe(client, filters)),
        8 => publish,
        4 => client.clone().prop_map(Step::Take),
        6 => (client, 0usize..8).prop_map(|(client, which)| Step::Acknowledge(client, which)),
        2 => (1u64..12).prop_map(Step::Pass),
    ]
}

/// The real broker and the model, side by side.
struct Pair {
    router: Arc<Router>,
    sessions: Arc<Sessions>,
    held: [Option<Session>; CLIENTS],
    model: model::Model,
    now_s: u64,
}

impl Pair {
    fn new() -> Self {
        let router = Router::new(RouterOptions::new(7));
        let sessions = Sessions::new(&router, CLIENTS);
        Self { router, sessions, held: [const { None }; CLIENTS], model: model::Model::default(), now_s: 0 }
    }

    fn now(&self) -> Now {
        let span = Duration::from_secs(self.now_s);
        Now { moment: Moment::since_start(span), wall: Timestamp::default().saturating_add(span) }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Connect(client, connect) => self.connect(client, &connect),
            Step::Leave(client, ending) => {
                if let Some(session) = self.held[client].take() {
                    self.sessions.leave(self.now(), session, ending);
                    self.model.leave(client, ending == Ending::Lost, self.now_s);
                }
            }
            Step::Drop(client) => {
                if self.held[client].take().is_some() {
                    self.sessions.handle_timeout(self.now());
                    self.model.leave(client, true, self.now_s);
                }
            }
            Step::Subscribe(client, subscriptions) => self.subscribe(client, &subscriptions),
            Step::Unsubscribe(client, filters) => {
                if let Some(session) = &mut self.held[client] {
                    let parsed: Vec<_> = filters.iter().map(|text| TopicFilter::parse(text).unwrap()).collect();
                    assert_eq!(session.unsubscribe(&parsed).0, self.model.unsubscribe(client, &filters));
                }
            }
            Step::Publish { origin, topic, qos, retain, empty, expiry_s } => {
                let message = ModelMessage { topic: topic.into(), qos, retain, empty, expiry_s, ..self.model.number() };
                self.publish(origin, &message);
            }
            Step::Take(client) => self.take(client),
            Step::Acknowledge(client, which) => self.acknowledge(client, which),
            Step::Pass(seconds) => {
                self.now_s += seconds;
                self.sessions.handle_timeout(self.now());
                self.router.handle_timeout(self.now());
                self.model.pass(self.now_s);
                self.model.forget_expired(self.now_s);
            }
        }
        let figures = self.router.figures();
        assert_eq!(figures.subscriptions, self.model.subscriptions());
        assert_eq!(figures.retained_messages, self.model.retained.len() as u64);
        assert_eq!(self.sessions.connected_and_all(), self.model.connected_and_all());
    }

    fn connect(&mut self, client: usize, connect: &ModelConnect) {
        let will = connect.will_delay_s.map(|delay_s| Will {
            publication: publication(&model::will_of(client), self.now_s),
            delay: Duration::from_secs(delay_s),
        });
        let real = Connect {
            client_id: ClientId::parse(&client.to_string()).unwrap(),
            clean_start: connect.clean_start,
            expiry: connect
                .expiry_s
                .map_or(SessionExpiry::Never, |s| SessionExpiry::from_interval_s(u32::try_from(s).unwrap())),
            will,
            mailbox: MailboxOptions::for_session(),
        };
        let mut claim = self.sessions.connect(self.now(), real).unwrap();
        if let Some(old) = self.held[client].take() {
            assert!(old.is_taken_over());
            assert!(claim.poll_connected(Waker::noop()).is_pending());
            self.sessions.leave(self.now(), old, Ending::Lost);
        }
        let Poll::Ready(Ok(Connected { session, present, .. })) = claim.poll_connected(Waker::noop()) else {
            panic!("client {client} did not get its session")
        };
        assert_eq!(present, self.model.connect(client, connect, self.now_s));
        self.held[client] = Some(session);
    }

    fn subscribe(&mut self, client: usize, subscriptions: &[ModelSubscription]) {
        let now = self.now();
        let Some(session) = &mut self.held[client] else { return };
        let requests = subscriptions.iter().map(|subscription| Subscription {
            filter: TopicFilter::parse(subscription.filter).unwrap(),
            options: SubscribeOptions {
                qos: subscription.qos,
                no_local: subscription.no_local,
                identifier: NonZeroU32::new(subscription.id),
                ..SubscribeOptions::default()
            },
        });
        assert!(session.subscribe(now, requests.collect()).0.iter().all(Result::is_ok));
        self.model.subscribe(client, subscriptions, self.now_s);
    }

    fn publish(&mut self, origin: Option<usize>, message: &ModelMessage) {
        let id = origin.and_then(|client| self.held[client].as_ref()).map(Session::subscriber);
        let origin = origin.filter(|_| id.is_some());
        let publication = publication(message, self.now_s);
        let routed = self.router.publish(publication, id, &mut self.router.route_cache());
        assert_eq!(routed.matched(), self.model.publish(origin, message, self.now_s));
    }

    fn take(&mut self, client: usize) {
        let now = self.now();
        let Some(session) = &mut self.held[client] else { return };
        let mut out = Vec::new();
        while session.next_deliveries(now, IN_FLIGHT_MAX, 2, &mut out) {}
        let sent = out.iter().map(|outgoing| match outgoing {
            Outgoing::Release { slot } => Sent::Release(slot.get()),
            Outgoing::Message { slot, delivery, duplicate } => {
                let mut ids: Vec<u32> = delivery.identifiers.as_slice().iter().map(|id| id.get()).collect();
                ids.sort_unstable();
                Sent::Message {
                    slot: slot.map(std::num::NonZero::get),
                    number: number(&delivery.publication),
                    qos: delivery.qos,
                    retain: delivery.retain,
                    ids,
                    duplicate: *duplicate,
                }
            }
        });
        self.model.take(client, sent.collect(), self.now_s, usize::from(IN_FLIGHT_MAX));
    }

    fn acknowledge(&mut self, client: usize, which: usize) {
        let Some(session) = &mut self.held[client] else { return };
        let Some((slot, received)) = self.model.acknowledge(client, which) else { return };
        let slot = slot.try_into().unwrap();
        let outcome = if received { session.handle_received(slot).map(drop) } else { session.handle_delivered(slot) };
        assert_eq!(outcome, Ok(()));
        assert_eq!(session.in_flight(), self.model.in_flight(client));
    }

    /// Everyone comes back and takes all there is: then nothing may be left.
    fn finish(&mut self) {
        for client in 0..CLIENTS {
            let connect = ModelConnect { clean_start: false, expiry_s: None, will_delay_s: None };
            self.connect(client, &connect);
        }
        for client in 0..CLIENTS {
            while self.model.waits(client, self.now_s) {
                self.take(client);
                self.acknowledge(client, 0);
            }
        }
    }
}

fn publication(message: &ModelMessage, now_s: u64) -> Publication {
    let payload = if message.empty { Bytes::new() } else { Bytes::from(message.number.to_string()) };
    let properties = message.expiry_s.map(|expiry_s| {
        Box::new(PublicationProperties { message_expiry_s: Some(expiry_s), ..PublicationProperties::default() })
    });
    let at = Timestamp::default().saturating_add(Duration::from_secs(now_s));
    let topic = TopicName::parse(&message.topic).unwrap();
    Publication { retain: message.retain, properties, ..Publication::new(topic, payload, message.qos, at) }
}

/// The number that a message was published with; none when its payload was empty.
fn number(publication: &Publication) -> Option<u32> {
    std::str::from_utf8(&publication.payload).unwrap().parse().ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_does_what_the_model_does(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.run(step);
        }
        pair.finish();
    }
}
