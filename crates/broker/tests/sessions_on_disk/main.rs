//! Sessions that outlive the process: what was acknowledged to a publisher reaches its subscriber once more after the node
//! was killed, in order, with the packet identifiers that it had.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod refusal;
mod retained;
mod shares;
mod subscribing;
mod wills;
mod world;

use std::sync::Arc;
use std::task::{Poll, Waker};

use broker::{
    Bindings, Broken, Collector, Connected, Ending, Origin, Promises, Session, SubscribeOptions, Subscription,
};
use message::{Bytes, DestinationId, Publication, QoS, TopicFilter, TopicName};
use parking_lot::Mutex;
use store::disk::Fault;
use store::spool::{DestinationOptions, Ordinal, Placed};

use world::{World, now, sent, slot};

#[test]
fn a_message_is_acknowledged_when_it_is_on_disk() {
    let world = World::new();
    let _session = world.subscribed("reader", "a");
    let mut routed = world.publish("1", QoS::AtLeastOnce);
    assert!(!routed.is_settled());
    assert!(routed.is_released(), "the publisher may bring more meanwhile");
    assert!(routed.poll_settled(Waker::noop()).is_pending());
    world.commit();
    assert!(routed.is_settled());
    assert!(routed.poll_settled(Waker::noop()).is_ready());
    assert_eq!(routed.broken(), None);
    // Nobody needs the disk for QoS 0.
    assert!(world.publish("2", QoS::AtMostOnce).is_settled());
}

#[test]
fn what_waits_for_an_absent_client_survives_the_process_in_order() {
    let world = World::new();
    let session = world.subscribed("reader", "a");
    world.sessions.leave(now(), session, Ending::Lost);
    for number in 0..20 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    world.commit();
    let world = world.kill();
    let Connected { mut session, present, .. } = world.connect("reader", false);
    assert!(present);
    let expected: Vec<String> = (0..20).map(|number| format!("{number}@{}", number + 1)).collect();
    assert_eq!(sent(&mut session, 100), expected);
    assert_eq!(session.subscriptions().count(), 1, "its subscription is still there");
    drop(world.publish("new", QoS::AtLeastOnce));
    assert_eq!(sent(&mut session, 100), ["new@21"]);
}

#[test]
fn a_session_whose_subscriptions_are_lost_is_new_to_its_client_which_gets_what_waited_all_the_same() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    let origin = Origin {
        subscriber: Some(session.subscriber()),
        exactly_once: session.destination().map(|destination| (destination, slot(7))),
    };
    drop(world.publish_from("1", QoS::ExactlyOnce, origin));
    world.commit();
    assert_eq!(sent(&mut session, 100), ["1@1"]);
    let _ = session.handle_received(slot(1));
    drop(world.publish("2", QoS::AtLeastOnce));
    world.commit();
    let world = world.kill_and_forget();
    let Connected { mut session, present, .. } = world.connect("reader", false);
    assert!(!present, "so that it subscribes again");
    assert!(session.inbound().is_empty(), "its packet identifiers begin anew");
    assert_eq!(sent(&mut session, 100), ["2@2"], "what it has received is not released either");
    // From then on it is a session like any other.
    world.sessions.leave(now(), session, Ending::Lost);
    world.commit();
    assert!(world.connect("reader", false).present);
    let world = world.kill();
    assert!(world.connect("reader", false).present);
}

#[test]
fn a_slow_client_reads_its_backlog_from_the_disk_and_gets_all_in_order() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    let mut seen = Vec::new();
    for number in 0..50 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
        if number % 10 == 3 {
            seen.extend(sent(&mut session, 7));
            for done in 1..=seen.len() {
                let _ = session.handle_delivered(slot(u16::try_from(done).unwrap()));
            }
        }
    }
    seen.extend(sent(&mut session, 1000));
    let expected: Vec<String> = (0..50).map(|number| format!("{number}@{}", number + 1)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_was_acknowledged_does_not_come_again_and_the_rest_keeps_its_slots() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    for number in 0..6 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    assert_eq!(sent(&mut session, 100).len(), 6);
    for done in [1, 3, 6] {
        session.handle_delivered(slot(done)).unwrap();
    }
    session.settle();
    world.commit();
    let world = world.kill();
    let Connected { mut session, .. } = world.connect("reader", false);
    assert_eq!(sent(&mut session, 100), ["1@2!", "3@4!", "4@5!"]);
}

#[test]
fn what_was_sent_before_a_kill_is_marked_as_a_duplicate_and_what_was_not_is_not() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    for number in 0..4 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    assert_eq!(sent(&mut session, 3), ["0@1", "1@2", "2@3"]);
    world.commit();
    let world = world.kill();
    let Connected { mut session, .. } = world.connect("reader", false);
    assert_eq!(sent(&mut session, 100), ["0@1!", "1@2!", "2@3!", "3@4"]);
}

#[test]
fn a_message_of_qos_2_is_sent_when_it_is_on_disk_and_never_twice() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    drop(world.publish("1", QoS::ExactlyOnce));
    drop(world.publish("2", QoS::ExactlyOnce));
    assert_eq!(sent(&mut session, 100), Vec::<String>::new(), "a crash now would let it come as another message");
    world.commit();
    assert_eq!(sent(&mut session, 100), ["1@1", "2@2"]);
    let mut noted = session.handle_received(slot(1)).unwrap();
    assert!(noted.poll_settled(Waker::noop()).is_pending(), "PUBREL waits for the disk");
    world.commit();
    assert!(noted.poll_settled(Waker::noop()).is_ready());
    let world = world.kill();
    let Connected { mut session, .. } = world.connect("reader", false);
    // The client has the first: only its release may be repeated. The second has the slot that it had.
    assert_eq!(sent(&mut session, 100), ["release@1", "2@2!"]);
    session.handle_delivered(slot(1)).unwrap();
    session.settle();
    world.commit();
    let world = world.kill();
    assert_eq!(sent(&mut world.connect("reader", false).session, 100).len(), 1);
}

#[test]
fn a_message_of_qos_2_that_was_taken_is_known_after_a_crash_until_it_is_released() {
    let world = World::new();
    let _reader = world.subscribed("reader", "a");
    let mut writer = world.connect("writer", false).session;
    let origin = Origin {
        subscriber: Some(writer.subscriber()),
        exactly_once: writer.destination().map(|destination| (destination, slot(7))),
    };
    drop(world.publish_from("1", QoS::ExactlyOnce, origin));
    world.commit();
    let _ = writer.handle_released(slot(9));
    let world = world.kill();
    let mut writer = world.connect("writer", false).session;
    assert_eq!(writer.inbound().iter().collect::<Vec<_>>(), [slot(7)]);
    let mut released = writer.handle_released(slot(7));
    assert!(released.poll_settled(Waker::noop()).is_pending(), "PUBCOMP waits for the disk");
    world.commit();
    let world = world.kill();
    assert!(world.connect("writer", false).session.inbound().is_empty());
}

/// A client's message with this slot, routed when its connection is lost.
fn left_over(world: &World, number: u16) -> Session {
    let mut writer = world.connect("writer", false).session;
    let exactly_once = writer.destination().zip(Some(slot(number)));
    let origin = Origin { subscriber: Some(writer.subscriber()), exactly_once };
    let routed = world.publish_from("1", QoS::ExactlyOnce, origin);
    writer.leave_over(Some(slot(number)), routed.into_promises());
    writer.inbound().replace([slot(number)]);
    world.sessions.leave(now(), writer, Ending::Lost);
    world.connect("writer", false).session
}

#[test]
fn a_connection_begins_when_what_the_last_one_left_is_on_disk() {
    let world = World::new();
    let _reader = world.subscribed("reader", "a");
    let mut writer = left_over(&world, 7);
    assert!(writer.poll_left_over(Waker::noop()).is_pending());
    // It may be lost before that as well, and leaves more.
    let step = writer.handle_released(slot(9));
    writer.leave_over(None, step);
    world.sessions.leave(now(), writer, Ending::Lost);
    let mut writer = world.connect("writer", false).session;
    assert!(writer.poll_left_over(Waker::noop()).is_pending());
    world.commit();
    assert_eq!(writer.poll_left_over(Waker::noop()), Poll::Ready(Ok(())));
    assert_eq!(writer.inbound().iter().collect::<Vec<_>>(), [slot(7)]);
}

#[test]
fn a_message_that_did_not_reach_the_disk_is_not_taken_for_received_on_the_next_connection() {
    let world = World::new();
    let _reader = world.subscribed("reader", "a");
    world.commit();
    let mut writer = left_over(&world, 7);
    world.disk.plan(Fault::SyncFails);
    world.commit();
    assert_eq!(writer.poll_left_over(Waker::noop()), Poll::Ready(Ok(())));
    assert!(writer.inbound().is_empty());
    // Of a step nobody knows: neither this connection nor the next one can go on.
    let step = writer.handle_released(slot(7));
    writer.leave_over(None, step);
    assert_eq!(writer.poll_left_over(Waker::noop()), Poll::Ready(Err(Broken::Failed)));
    world.sessions.leave(now(), writer, Ending::Lost);
    let mut writer = world.connect("writer", false).session;
    assert_eq!(writer.poll_left_over(Waker::noop()), Poll::Ready(Err(Broken::Failed)));
}

#[test]
fn a_message_of_qos_2_that_cannot_become_safe_holds_nobody_up() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    world.commit();
    drop(world.publish("2", QoS::ExactlyOnce));
    drop(world.publish("1", QoS::AtLeastOnce));
    world.disk.plan(Fault::SyncFails);
    world.commit();
    drop(world.publish("0", QoS::AtMostOnce));
    assert_eq!(sent(&mut session, 100), ["1@2", "0@0"]);
}

#[test]
fn a_release_is_not_repeated_before_it_is_on_disk_that_the_client_has_the_message() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    drop(world.publish("1", QoS::ExactlyOnce));
    world.commit();
    assert_eq!(sent(&mut session, 100), ["1@1"]);
    // The task of the connection breaks down, and nobody leaves a promise over.
    drop(session.handle_received(slot(1)));
    drop(session);
    let mut session = world.connect("reader", false).session;
    session.set_waker(Waker::noop().clone());
    assert_eq!(sent(&mut session, 100), Vec::<String>::new());
    world.commit();
    assert_eq!(sent(&mut session, 100), ["release@1"]);
}

#[test]
fn subscriptions_that_could_not_be_written_down_are_taken_back() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    let subscribe = |session: &mut Session, filter: &str, qos| {
        let filter = TopicFilter::parse(filter).unwrap();
        let before = session.subscription(&filter);
        let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
        drop(session.subscribe(now(), vec![Subscription { filter: filter.clone(), options }]));
        (filter, before)
    };
    let before = vec![subscribe(&mut session, "a", QoS::AtMostOnce), subscribe(&mut session, "+", QoS::AtMostOnce)];
    session.take_subscriptions_back(before);
    assert_eq!(session.subscriptions().count(), 1);
    assert_eq!(world.router.figures().subscriptions, 1);
    drop(world.publish("1", QoS::AtLeastOnce));
    assert_eq!(sent(&mut session, 100), ["1@1"], "with the quality of service of before");
}

#[test]
fn a_clean_start_leaves_nothing_on_disk() {
    let world = World::new();
    let session = world.subscribed("reader", "a");
    world.sessions.leave(now(), session, Ending::Lost);
    drop(world.publish("1", QoS::AtLeastOnce));
    let Connected { session, present, .. } = world.connect("reader", true);
    assert!(!present);
    assert_eq!(world.spool.destinations(), [session.destination().unwrap()]);
    world.commit();
    let world = world.kill();
    let Connected { mut session, present, .. } = world.connect("reader", false);
    assert!(present);
    assert_eq!(sent(&mut session, 100), Vec::<String>::new());
    assert_eq!(session.subscriptions().count(), 0);
}

#[test]
fn a_retained_message_for_a_new_subscription_survives_the_process_too() {
    let world = World::new();
    let topic = TopicName::parse("a").unwrap();
    let retained = Publication {
        retain: true,
        ..Publication::new(topic, Bytes::from_static(b"kept"), QoS::AtLeastOnce, now().wall)
    };
    drop(world.router.publish(retained, None, &mut world.router.route_cache()));
    let session = world.subscribed("reader", "a");
    drop(world.publish("newer", QoS::AtLeastOnce));
    drop(session);
    world.commit();
    let world = world.kill();
    assert_eq!(sent(&mut world.connect("reader", false).session, 100), ["kept@1", "newer@2"]);
}

#[test]
fn a_full_disk_refuses_messages_for_everyone_and_takes_them_when_there_is_room() {
    let world = World::new();
    let mut session = world.subscribed("reader", "a");
    world.commit();
    world.disk.set_capacity(Some(0));
    // The first finds out. It is not lost, and not acknowledged before there is room.
    let mut first = world.publish("1", QoS::AtLeastOnce);
    world.committer.commit_once();
    assert!(first.poll_settled(Waker::noop()).is_pending());
    assert_eq!(sent(&mut session, 100), ["1@1"]);
    let mut refused = world.publish("2", QoS::AtLeastOnce);
    assert!(refused.poll_settled(Waker::noop()).is_ready());
    assert_eq!(refused.broken(), Some(Broken::NoRoom));
    assert_eq!(sent(&mut session, 100), Vec::<String>::new());
    world.disk.set_capacity(None);
    world.commit();
    assert!(first.poll_settled(Waker::noop()).is_ready());
    assert_eq!(first.broken(), None);
    drop(world.publish("3", QoS::AtLeastOnce));
    assert_eq!(sent(&mut session, 100), ["3@2"]);
}

/// A queue, as far as the router sees it.
#[derive(Debug)]
struct Collected(DestinationId, Mutex<Vec<Placed>>);

impl Collector for Collected {
    fn collect(&self, _: &Publication) -> Result<Promises, Broken> {
        Err(Broken::Failed)
    }

    fn destination(&self) -> Option<DestinationId> {
        Some(self.0)
    }

    fn handle_placed(&self, placed: Placed) {
        self.1.lock().push(placed);
    }
}

#[test]
fn a_queue_has_a_message_in_the_record_that_says_that_its_publisher_sent_it() {
    let world = World::new();
    let reader = world.subscribed("reader", "a");
    let writer = world.connect("writer", false).session;
    let queue = DestinationId::new(1_000);
    world.spool.add(queue, DestinationOptions::default()).unwrap();
    world.commit();
    let collected = Arc::new(Collected(queue, Mutex::default()));
    let bindings = Bindings::new(&world.router, Arc::clone(&collected) as Arc<dyn Collector>);
    bindings.set(vec![TopicFilter::parse("a").unwrap()]);
    let exactly_once = writer.destination().zip(Some(slot(7)));
    let origin = Origin { subscriber: Some(writer.subscriber()), exactly_once };
    let routed = world.publish_from("1", QoS::ExactlyOnce, origin);
    assert_eq!((routed.matched(), collected.1.lock().len()), (2, 1));
    world.commit();
    let points = [reader.destination().unwrap(), queue].map(|destination| {
        let mut found = Vec::new();
        world.spool.read(destination, Ordinal(0), 10, 1_000, &mut found).unwrap();
        assert_eq!(found.len(), 1);
        found[0].point
    });
    assert_eq!(points[0], points[1], "a crash between two records would take one");
}

#[test]
fn the_time_of_a_session_that_was_there_at_a_crash_runs_from_the_first_start_after_it() {
    let world = World::new();
    let _session = world.subscribed("reader", "a");
    assert_eq!(world.absent_since(), [None]);
    let world = world.kill();
    assert_eq!(world.absent_since(), [Some(now().wall)]);
}

#[test]
fn a_number_for_a_new_session_is_asked_for_while_nobody_waits_for_the_registry() {
    let world = World::new();
    drop(world.connect("first", false));
    // Numbers that were not needed are given to others.
    drop(world.connect("first", false));
    let second = world.connect("second", false).session.destination();
    assert_eq!(second, Some(DestinationId::new(2)));
}
