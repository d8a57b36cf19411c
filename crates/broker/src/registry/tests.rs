//! Connecting, taking over, leaving, wills and expiry.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use message::{Bytes, Publication, QoS, Timestamp, TopicFilter, TopicName};

use super::*;
use crate::local::LocalSubscriber;
use crate::mailbox::Overflow;
use crate::router::RouterOptions;
use crate::session::Outgoing;
use crate::subscription::{SubscribeOptions, Subscription};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A registry, a clock, and someone who listens to all.
struct World {
    router: Arc<Router>,
    sessions: Arc<Sessions>,
    listener: LocalSubscriber,
    seconds: u64,
}

impl World {
    fn new(sessions_max: usize) -> Self {
        let router = Router::new(RouterOptions::new(1));
        let listener = LocalSubscriber::open(&router, MailboxOptions::for_flow(1000, Overflow::Wait));
        let world = Self { sessions: Sessions::new(&router, sessions_max), router, listener, seconds: 100 };
        world.listener.subscribe(world.now(), vec![subscription("will/#")]);
        world
    }

    fn now(&self) -> Now {
        let span = Duration::from_secs(self.seconds);
        Now { moment: Moment::since_start(span), wall: Timestamp::default().saturating_add(span) }
    }

    fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
        self.sessions.handle_timeout(self.now());
    }

    fn claim(&self, connect: Connect) -> Claim {
        self.sessions.connect(self.now(), connect).unwrap()
    }

    fn connect(&self, connect: Connect) -> Connected {
        match self.claim(connect).poll_connected(Waker::noop()) {
            Poll::Ready(connected) => connected.unwrap(),
            Poll::Pending => panic!("someone holds the session"),
        }
    }

    fn leave(&self, session: Session, ending: Ending) {
        self.sessions.leave(self.now(), session, ending);
    }

    fn publish(&self, topic: &str, qos: QoS) -> u32 {
        let topic = TopicName::parse(topic).unwrap();
        let publication = Publication::new(topic, Bytes::from_static(b"x"), qos, Timestamp::default());
        self.router.publish(publication, None, &mut self.router.route_cache()).matched()
    }

    fn wills(&self) -> Vec<String> {
        let mut batch = VecDeque::new();
        self.listener.drain(self.now(), &mut batch, 1000);
        batch.iter().map(|delivery| delivery.publication.topic.to_string()).collect()
    }
}

fn connect(client_id: &str) -> Connect {
    Connect {
        client_id: ClientId::parse(client_id).unwrap(),
        clean_start: false,
        expiry: SessionExpiry::After(Duration::from_secs(60)),
        will: None,
        mailbox: MailboxOptions::for_session(),
    }
}

fn with_will(connect: Connect, delay_s: u64) -> Connect {
    let topic = TopicName::parse(&format!("will/{}", connect.client_id)).unwrap();
    let publication = Publication::new(topic, Bytes::from_static(b"gone"), QoS::AtLeastOnce, Timestamp::default());
    Connect { will: Some(Will { publication, delay: Duration::from_secs(delay_s) }), ..connect }
}

fn subscription(text: &str) -> Subscription {
    let options = SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() };
    Subscription { filter: TopicFilter::parse(text).unwrap(), options }
}

fn next(session: &mut Session, now: Now) -> Vec<Outgoing> {
    let mut out = Vec::new();
    assert!(!session.next_deliveries(now, 10, 1000, &mut out));
    out
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_session_goes_on_after_a_loss_with_what_came_meanwhile() {
    let world = World::new(10);
    let Connected { mut session, present, .. } = world.connect(connect("a"));
    assert!(!present);
    session.subscribe(world.now(), vec![subscription("x")]);
    world.publish("x", QoS::AtLeastOnce);
    assert_eq!(next(&mut session, world.now()).len(), 1);
    world.leave(session, Ending::Lost);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(world.publish("x", qos), 1);
    }
    let Connected { mut session, present, .. } = world.connect(connect("a"));
    assert!(present);
    let sent: Vec<(u16, QoS, bool)> = next(&mut session, world.now())
        .iter()
        .map(|outgoing| match outgoing {
            Outgoing::Message { slot: Some(slot), delivery, duplicate } => (slot.get(), delivery.qos, *duplicate),
            other => panic!("{other:?}"),
        })
        .collect();
    // QoS 0 is not kept for an absent client.
    assert_eq!(sent, [(1, QoS::AtLeastOnce, true), (2, QoS::AtLeastOnce, false), (3, QoS::ExactlyOnce, false)]);
}

#[test]
fn clean_start_and_expiry_end_a_session_and_its_subscriptions() {
    let mut world = World::new(10);
    let subscribe = |world: &World, mut connected: Connected| {
        connected.session.subscribe(world.now(), vec![subscription("x")]);
        connected.session
    };
    let session = subscribe(&world, world.connect(connect("a")));
    world.leave(session, Ending::Orderly);
    let connected = world.connect(Connect { clean_start: true, ..connect("a") });
    assert_eq!((connected.present, world.publish("x", QoS::AtLeastOnce)), (false, 0));
    let mut session = subscribe(&world, connected);
    session.set_expiry(SessionExpiry::AtDisconnect);
    world.leave(session, Ending::Orderly);
    assert_eq!((world.sessions.connected_and_all(), world.publish("x", QoS::AtLeastOnce)), ((0, 0), 0));
    let session = subscribe(&world, world.connect(connect("a")));
    world.leave(session, Ending::Orderly);
    world.pass(59);
    assert_eq!(world.publish("x", QoS::AtLeastOnce), 1);
    assert_eq!(world.sessions.poll_timeout(), Some(world.now().moment + Duration::from_secs(1)));
    world.pass(1);
    assert_eq!((world.sessions.connected_and_all(), world.publish("x", QoS::AtLeastOnce)), ((0, 0), 0));
    let session = subscribe(&world, world.connect(Connect { expiry: SessionExpiry::Never, ..connect("a") }));
    world.leave(session, Ending::Orderly);
    world.pass(1_000_000_000);
    assert_eq!(world.publish("x", QoS::AtLeastOnce), 1);
}

#[test]
fn a_new_connection_waits_for_the_old_one_and_gets_its_session() {
    let world = World::new(10);
    let mut old = world.connect(connect("a")).session;
    old.subscribe(world.now(), vec![subscription("x")]);
    let told = Arc::new(Count::default());
    old.set_waker(Waker::from(Arc::clone(&told)));
    let mut claim = world.claim(connect("a"));
    let woken = Arc::new(Count::default());
    assert!(claim.poll_connected(&Waker::from(Arc::clone(&woken))).is_pending());
    assert_eq!((old.is_taken_over(), told.0.load(Ordering::Relaxed)), (true, 1));
    // The old one is slow: messages go on coming in.
    world.publish("x", QoS::AtLeastOnce);
    world.leave(old, Ending::Lost);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let Poll::Ready(Ok(mut connected)) = claim.poll_connected(Waker::noop()) else { panic!("not handed over") };
    assert!(connected.present && !connected.session.is_taken_over());
    assert_eq!(next(&mut connected.session, world.now()).len(), 1);
}

#[test]
fn of_several_that_wait_the_last_one_wins() {
    let world = World::new(10);
    let old = world.connect(connect("a")).session;
    let mut second = world.claim(connect("a"));
    let mut third = world.claim(connect("a"));
    assert!(matches!(second.poll_connected(Waker::noop()), Poll::Ready(Err(Superseded))));
    world.leave(old, Ending::Lost);
    let Poll::Ready(Ok(connected)) = third.poll_connected(Waker::noop()) else { panic!("not handed over") };
    assert!(connected.present);
    assert_eq!(world.sessions.connected_and_all(), (1, 1));
}

#[test]
fn one_that_gives_its_claim_up_leaves_the_session_to_wait() {
    let world = World::new(10);
    let old = world.connect(connect("a")).session;
    drop(world.claim(connect("a")));
    world.leave(old, Ending::Lost);
    assert_eq!(world.sessions.connected_and_all(), (0, 1));
    assert!(world.connect(connect("a")).present);
}

#[test]
fn a_session_that_was_dropped_or_never_fetched_is_not_lost() {
    let world = World::new(10);
    let mut session = world.connect(connect("a")).session;
    session.subscribe(world.now(), vec![subscription("x")]);
    let mut claim = world.claim(connect("a"));
    drop(session);
    assert_eq!(world.sessions.poll_timeout(), Some(Moment::default()));
    world.sessions.handle_timeout(world.now());
    assert!(matches!(claim.poll_connected(Waker::noop()), Poll::Ready(Ok(Connected { present: true, .. }))));
    drop(claim);
    // Handed over to a claim that nobody asks any more.
    drop(world.claim(connect("a")));
    let connected = world.connect(connect("a"));
    assert!(connected.present);
    assert_eq!(world.publish("x", QoS::AtLeastOnce), 1);
}

#[test]
fn a_session_that_should_end_with_its_connection_is_not_taken_over() {
    for (expiry, clean_start) in
        [(SessionExpiry::AtDisconnect, false), (SessionExpiry::Never, true), (SessionExpiry::AtDisconnect, true)]
    {
        let world = World::new(10);
        let mut old = world.connect(with_will(Connect { expiry, ..connect("a") }, 30)).session;
        old.subscribe(world.now(), vec![subscription("x")]);
        let mut claim = world.claim(Connect { clean_start, ..connect("a") });
        world.leave(old, Ending::Lost);
        assert!(matches!(claim.poll_connected(Waker::noop()), Poll::Ready(Ok(Connected { present: false, .. }))));
        assert_eq!(world.publish("x", QoS::AtLeastOnce), 0);
        // The end of the session ends the wait of the will.
        assert_eq!(world.wills(), ["will/a"]);
    }
}

#[test]
fn a_will_is_sent_unless_the_client_says_goodbye() {
    for (ending, expiry, expect) in [
        (Ending::Lost, SessionExpiry::Never, vec!["will/a"]),
        (Ending::Lost, SessionExpiry::AtDisconnect, vec!["will/a"]),
        (Ending::Orderly, SessionExpiry::Never, vec![]),
        (Ending::Orderly, SessionExpiry::AtDisconnect, vec![]),
    ] {
        let mut world = World::new(10);
        let session = world.connect(with_will(Connect { expiry, ..connect("a") }, 0)).session;
        world.leave(session, ending);
        assert_eq!(world.wills(), expect, "{ending:?} {expiry:?}");
        world.pass(1000);
        assert_eq!(world.wills(), none());
    }
}

#[test]
fn a_will_waits_for_its_delay_and_the_client_may_come_back_in_time() {
    let mut world = World::new(10);
    let session = world.connect(with_will(connect("a"), 10)).session;
    world.leave(session, Ending::Lost);
    world.pass(9);
    assert_eq!(world.wills(), none());
    let session = world.connect(with_will(connect("a"), 10)).session;
    world.pass(100);
    assert_eq!(world.wills(), none());
    world.leave(session, Ending::Lost);
    world.pass(10);
    assert_eq!(world.wills(), ["will/a"]);
    world.pass(1000);
    assert_eq!(world.wills(), none());
}

#[test]
fn a_will_is_sent_at_the_end_of_the_session_at_the_latest() {
    let mut world = World::new(10);
    let session = world.connect(with_will(connect("a"), 1_000)).session;
    world.leave(session, Ending::Lost);
    world.pass(59);
    assert_eq!(world.wills(), none());
    world.pass(1);
    assert_eq!(world.wills(), ["will/a"]);
    let session = world.connect(with_will(connect("a"), 1_000)).session;
    world.leave(session, Ending::Lost);
    world.connect(Connect { clean_start: true, ..connect("a") });
    assert_eq!(world.wills(), ["will/a"]);
}

#[test]
fn a_takeover_sends_a_will_without_delay_and_cancels_one_with_delay() {
    for (delay_s, expect) in [(0, vec!["will/a"]), (5, vec![])] {
        let mut world = World::new(10);
        let old = world.connect(with_will(connect("a"), delay_s)).session;
        let _claim = world.claim(connect("a"));
        world.leave(old, Ending::Lost);
        assert_eq!(world.wills(), expect);
        world.pass(30);
        assert_eq!(world.wills(), none());
    }
}

#[test]
fn the_number_of_sessions_is_limited_but_known_clients_always_come_back() {
    let world = World::new(2);
    let [a, _b] = ["a", "b"].map(|id| world.connect(connect(id)).session);
    world.leave(a, Ending::Orderly);
    let refused = world.sessions.connect(world.now(), connect("c")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the node keeps 2 sessions, which is its limit: let some expire or raise the limit"
    );
    assert!(world.connect(connect("a")).present);
}

#[test]
fn members_who_are_away_pass_their_share_on_and_end_with_it() {
    let world = World::new(10);
    let [mut one, mut two] = ["one", "two"].map(|id| world.connect(connect(id)).session);
    for session in [&mut one, &mut two] {
        session.subscribe(world.now(), vec![subscription("$share/g/x")]);
    }
    (0..4).for_each(|_| assert_eq!(world.publish("x", QoS::AtLeastOnce), 1));
    assert_eq!((one.backlog(), two.backlog()), (2, 2));
    let sent = next(&mut one, world.now());
    (0..4).for_each(|_| assert_eq!(world.publish("x", QoS::ExactlyOnce), 1));
    assert_eq!((one.backlog(), two.backlog()), (2, 4));
    // What was sent waits for the client; what was not goes over, as does all that comes.
    world.leave(one, Ending::Lost);
    assert_eq!((sent.len(), two.backlog()), (2, 6));
    world.publish("x", QoS::AtLeastOnce);
    assert_eq!(two.backlog(), 7);
    // When the session ends, QoS 1 that was sent but not acknowledged goes over too.
    world.connect(Connect { clean_start: true, ..connect("one") });
    assert_eq!(two.backlog(), 9);
}

#[test]
fn unsubscribing_passes_a_share_on() {
    let world = World::new(10);
    let [mut one, mut two] = ["one", "two"].map(|id| world.connect(connect(id)).session);
    for session in [&mut one, &mut two] {
        session.subscribe(world.now(), vec![subscription("$share/g/x")]);
    }
    (0..4).for_each(|_| assert_eq!(world.publish("x", QoS::AtLeastOnce), 1));
    let filters = ["$share/g/x", "y"].map(|text| TopicFilter::parse(text).unwrap());
    assert_eq!(one.unsubscribe(&filters).0, [true, false]);
    assert_eq!((one.backlog(), two.backlog()), (0, 4));
}

#[test]
fn subscriptions_of_one_session_are_limited() {
    let world = World::new(10);
    let mut session = world.connect(connect("a")).session;
    let max = message::limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX;
    let many = (0..=max).map(|number| subscription(&format!("x/{number}"))).collect();
    let (results, _) = session.subscribe(world.now(), many);
    assert!(results[..max].iter().all(Result::is_ok));
    assert_eq!(results[max], Err(crate::SubscribeError::TooMany));
    assert_eq!(session.subscribe(world.now(), vec![subscription("x/0")]).0, [Ok(QoS::ExactlyOnce)]);
    assert_eq!(session.subscriptions().count(), max);
}

#[test]
fn who_is_too_slow_for_too_long_is_dismissed_once() {
    let mut world = World::new(10);
    let few = MailboxOptions { messages_max: 2, ..MailboxOptions::for_session() };
    let mut slow = world.connect(Connect { mailbox: few, ..connect("slow") }).session;
    let wakes = Arc::new(Count::default());
    slow.set_waker(Waker::from(Arc::clone(&wakes)));
    slow.subscribe(world.now(), vec![subscription("x")]);
    let flood = |world: &World| (0..3).for_each(|_| assert_eq!(world.publish("x", QoS::AtLeastOnce), 1));
    let look = |world: &World| world.sessions.dismiss_slow(world.now(), Duration::from_secs(5)).len();
    flood(&world);
    assert_eq!(look(&world), 0);
    world.pass(4);
    assert_eq!(look(&world), 0);
    // It takes what waits: the span begins anew.
    let mut out = Vec::new();
    slow.next_deliveries(world.now(), 10, 10, &mut out);
    assert_eq!(out.len(), 2);
    world.pass(1);
    assert_eq!(look(&world), 0);
    flood(&world);
    assert_eq!(look(&world), 0);
    let before = wakes.0.load(Ordering::Relaxed);
    world.pass(5);
    assert!(!slow.is_dismissed());
    assert_eq!((look(&world), look(&world)), (1, 0));
    assert!(slow.is_dismissed() && !slow.is_taken_over());
    assert_eq!(wakes.0.load(Ordering::Relaxed), before + 1);
}

#[test]
fn figures_tell_what_sessions_hold() {
    let mut world = World::new(10);
    let [short, none] = [SessionExpiry::After(Duration::from_secs(5)), SessionExpiry::AtDisconnect];
    let mut one = world.connect(Connect { expiry: short, ..connect("one") }).session;
    let two = world.connect(Connect { expiry: none, ..connect("two") }).session;
    one.subscribe(world.now(), vec![subscription("x")]);
    (0..5).for_each(|_| assert_eq!(world.publish("x", QoS::AtLeastOnce), 1));
    let mut out = Vec::new();
    one.next_deliveries(world.now(), 2, 10, &mut out);
    let figures = world.sessions.figures();
    assert_eq!((figures.in_flight, figures.waiting_messages), (2, 3));
    assert_eq!((figures.connected, figures.connected_max, figures.all), (2, 2, 2));
    world.leave(two, Ending::Orderly);
    world.leave(one, Ending::Orderly);
    let figures = world.sessions.figures();
    assert_eq!((figures.connected, figures.connected_max, figures.all, figures.expired), (0, 2, 1, 0));
    world.pass(5);
    assert_eq!(world.sessions.figures(), SessionFigures { connected_max: 2, expired: 1, ..SessionFigures::default() });
}
