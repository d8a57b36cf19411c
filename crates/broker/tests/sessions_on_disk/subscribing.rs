//! Retained messages that a subscription of a session on disk brings: all of them are stored for it, or none and its client is
//! told.

use std::task::Waker;

use broker::{Broken, Origin, Promises, Session, SubscribeOptions, Subscription};
use message::{Publication, QoS, TopicFilter, TopicName, limits};
use store::spool::DestinationOptions;
use store::{DestinationLimits, FullPolicy};

use crate::world::{World, now, sent, slot};

const LARGE_BYTES: usize = 1024 * 1024;

/// Publishes one message of so many bytes to each of these topics, to be retained.
fn retain(world: &World, topics: usize, bytes: usize) {
    let mut cache = world.router.route_cache();
    for number in 0..topics {
        let topic = TopicName::parse(&format!("large/{number}")).unwrap();
        let publication = Publication::new(topic, vec![7; bytes].into(), QoS::AtLeastOnce, now().wall);
        drop(world.router.publish_from(Publication { retain: true, ..publication }, Origin::default(), &mut cache));
    }
}

fn subscribe(session: &mut Session) -> Promises {
    let options = SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() };
    let filter = TopicFilter::parse("large/#").unwrap();
    let (granted, promises) = session.subscribe(now(), vec![Subscription { filter, options }]);
    assert_eq!(granted, [Ok(QoS::ExactlyOnce)]);
    promises
}

fn waiting(world: &World, session: &Session) -> u64 {
    world.spool.waiting(session.destination().unwrap()).0
}

fn broken(mut promises: Promises) -> Option<Broken> {
    assert!(promises.poll_settled(Waker::noop()).is_ready());
    promises.broken()
}

#[test]
fn a_subscription_brings_all_of_them_however_much_that_is_and_waits_while_the_disk_has_enough_to_write() {
    let world = World::new();
    let most = limits::LOG_BYTES_WAITING_MAX / LARGE_BYTES;
    retain(&world, most + 5, LARGE_BYTES);
    let mut session = world.connect("reader", false).session;
    session.set_waker(Waker::noop().clone());
    assert!(session.subscribes_after(true).is_none(), "nothing waits yet");
    let mut promises = subscribe(&mut session);
    assert_eq!(waiting(&world, &session), most as u64 + 5);
    assert!(promises.poll_settled(Waker::noop()).is_pending());
    // The next one comes when this is written.
    let next = world.connect("next", false).session;
    assert!(next.subscribes_after(true).is_some() && next.subscribes_after(false).is_none());
    world.commit();
    assert!(next.subscribes_after(true).is_none());
    assert_eq!(broken(promises), None);
    // So much of it may be under way at a time.
    assert!((1..most).contains(&sent(&mut session, 1000).len()));
    world.sessions.leave(now(), session, broker::Ending::Lost);
    let world = world.kill();
    let mut session = world.connect("reader", false).session;
    assert_eq!(waiting(&world, &session), most as u64 + 5);
    assert_eq!(acknowledge_all(&mut session), most + 5);
    assert_eq!(waiting(&world, &session), 0);
}

/// Takes all that comes, acknowledges it, and says how many messages it was.
fn acknowledge_all(session: &mut Session) -> usize {
    let mut came = 0;
    loop {
        let messages = sent(session, 1000);
        if messages.is_empty() {
            session.settle();
            return came;
        }
        for message in &messages {
            let (_, number) = message.rsplit_once('@').unwrap();
            session.handle_delivered(slot(number.trim_end_matches('!').parse().unwrap())).unwrap();
        }
        came += messages.len();
    }
}

#[test]
fn a_subscription_whose_messages_find_no_room_brings_none_and_is_not_in_force() {
    let limits = DestinationLimits { messages_max: 2, ..DestinationLimits::NONE };
    let refusing = DestinationOptions { limits, policy: FullPolicy::Refuse, ..DestinationOptions::default() };
    for (options, capacity) in [(refusing, None), (DestinationOptions::default(), Some(0))] {
        let world = World::with_options(options);
        retain(&world, 3, 10);
        let mut session = world.connect("reader", false).session;
        world.disk.set_capacity(capacity);
        world.commit();
        let promises = subscribe(&mut session);
        assert_eq!(broken(promises), Some(Broken::NoRoom));
        assert_eq!(waiting(&world, &session), 0);
        session.take_subscriptions_back(vec![(TopicFilter::parse("large/#").unwrap(), None)]);
        assert_eq!(world.router.reach(&TopicName::parse("large/1").unwrap()), 0);
        world.sessions.leave(now(), session, broker::Ending::Lost);
        // Nor is it in the next life of the node.
        world.disk.set_capacity(None);
        let world = world.kill();
        assert_eq!(world.connect("reader", false).session.subscriptions().count(), 0);
    }
}
