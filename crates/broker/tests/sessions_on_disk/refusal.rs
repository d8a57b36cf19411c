//! Sessions that refuse what they have no room for: a refused message takes effect nowhere, so that it can come again.

use std::task::Waker;

use broker::{Broken, Ending, LocalSubscriber, MailboxOptions, Origin, Overflow, SubscribeOptions, Subscription};
use message::{Bytes, Publication, QoS, TopicFilter, TopicName};
use store::spool::DestinationOptions;
use store::{DestinationLimits, FullPolicy};

use crate::world::{World, now, sent, slot};

fn world() -> World {
    let limits = DestinationLimits { messages_max: 1, ..DestinationLimits::NONE };
    World::with_options(DestinationOptions { policy: FullPolicy::Refuse, limits, ..DestinationOptions::default() })
}

fn retained(payload: &'static str) -> Publication {
    let topic = TopicName::parse("a").unwrap();
    let publication = Publication::new(topic, Bytes::from_static(payload.as_bytes()), QoS::AtLeastOnce, now().wall);
    Publication { retain: true, ..publication }
}

fn filter() -> TopicFilter {
    TopicFilter::parse("a").unwrap()
}

#[test]
fn a_message_that_one_session_refuses_reaches_nobody_and_is_not_retained() {
    let world = world();
    let full = world.subscribed("full", "a");
    let mut other = world.subscribed("other", "a");
    let flow = LocalSubscriber::open(&world.router, MailboxOptions::for_flow(10, Overflow::Wait));
    flow.subscribe(now(), vec![Subscription { filter: filter(), options: SubscribeOptions::default() }]);
    world.sessions.leave(now(), full, Ending::Lost);
    let publish = |payload| world.router.publish(retained(payload), None, &mut world.router.route_cache());
    assert_eq!(publish("first").broken(), None);
    assert_eq!(sent(&mut other, 100), ["first@1"]);
    other.handle_delivered(slot(1)).unwrap();
    other.settle();
    for _ in 0..3 {
        let mut refused = publish("second");
        assert!(refused.poll_settled(Waker::noop()).is_ready());
        assert_eq!(refused.broken(), Some(Broken::NoRoom));
        assert_ne!(refused.matched(), 0);
    }
    assert_eq!(sent(&mut other, 100), Vec::<String>::new());
    assert_eq!(flow.depth(), 1);
    let kept = world.router.retained(&filter(), now().wall);
    assert_eq!(kept.iter().map(|kept| kept.payload.clone()).collect::<Vec<_>>(), ["first"]);
    // Once there is room it is taken, by all.
    let mut full = world.connect("full", false).session;
    full.set_waker(Waker::noop().clone());
    assert_eq!(sent(&mut full, 100), ["first@1"]);
    full.handle_delivered(slot(1)).unwrap();
    full.settle();
    assert_eq!(publish("second").broken(), None);
    assert_eq!(
        (sent(&mut full, 100), sent(&mut other, 100)),
        (vec!["second@2".to_owned()], vec!["second@2".to_owned()])
    );
    assert_eq!(world.router.retained(&filter(), now().wall)[0].payload, "second");
}

#[test]
fn a_refused_message_of_qos_2_leaves_its_packet_identifier_free() {
    let world = world();
    let full = world.subscribed("full", "a");
    world.sessions.leave(now(), full, Ending::Lost);
    drop(world.publish("first", QoS::AtLeastOnce));
    let writer = world.connect("writer", false).session;
    let origin = Origin {
        subscriber: Some(writer.subscriber()),
        exactly_once: writer.destination().map(|destination| (destination, slot(7))),
    };
    assert_eq!(world.publish_from("second", QoS::ExactlyOnce, origin).broken(), Some(Broken::NoRoom));
    world.commit();
    assert!(world.spool.state(writer.destination().unwrap()).unwrap().inbound.is_empty());
}

#[test]
fn a_subscription_whose_retained_message_a_full_session_has_no_room_for_is_refused() {
    let world = world();
    let mut session = world.subscribed("full", "b");
    drop(world.router.publish(retained("kept"), None, &mut world.router.route_cache()));
    let wanted = |text| Subscription { filter: TopicFilter::parse(text).unwrap(), options: at_least_once() };
    drop(session.subscribe(now(), vec![wanted("a")]));
    let (_, mut promises) = session.subscribe(now(), vec![wanted("+")]);
    world.commit();
    assert!(promises.poll_settled(Waker::noop()).is_ready());
    assert_eq!(promises.broken(), Some(Broken::NoRoom));
    assert_eq!(sent(&mut session, 100), ["kept@1"]);
}

#[test]
fn a_subscription_is_confirmed_when_its_retained_messages_are_on_disk() {
    let world = World::new();
    drop(world.router.publish(retained("kept"), None, &mut world.router.route_cache()));
    let mut session = world.subscribed("reader", "b");
    world.commit();
    let (_, mut promises) = session.subscribe(now(), vec![Subscription { filter: filter(), options: at_least_once() }]);
    assert!(promises.poll_settled(Waker::noop()).is_pending());
    world.commit();
    assert!(promises.poll_settled(Waker::noop()).is_ready());
}

fn at_least_once() -> SubscribeOptions {
    SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() }
}
