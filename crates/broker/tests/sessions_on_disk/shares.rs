//! Shared subscriptions: each message reaches one member, whoever comes and goes.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use broker::{Claim, Ending, Session, Sessions};
use message::{QoS, TopicFilter};
use parking_lot::Mutex;
use store::spool::DestinationOptions;
use store::{DestinationLimits, FullPolicy};

use crate::world::{World, claim, now, sent, slot};

#[test]
fn what_waits_on_disk_for_a_member_whose_session_ends_goes_to_the_others() {
    let world = World::new();
    let one = world.subscribed("one", "$share/g/a");
    world.sessions.leave(now(), one, Ending::Lost);
    for number in 0..10 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    let mut two = world.subscribed("two", "$share/g/a");
    assert_eq!(sent(&mut two, 100), Vec::<String>::new());
    drop(world.connect("one", true));
    let expected: Vec<String> = (0..10).map(|number| format!("{number}@{}", number + 1)).collect();
    assert_eq!(sent(&mut two, 100), expected);
}

#[test]
fn members_of_a_shared_subscription_pass_on_what_waits_for_one_that_left() {
    let world = World::new();
    let one = world.subscribed("one", "$share/g/a");
    let mut two = world.subscribed("two", "$share/g/a");
    for number in 0..6 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    world.sessions.leave(now(), one, Ending::Lost);
    let payloads = |sent: Vec<String>| {
        let mut payloads: Vec<String> =
            sent.iter().filter_map(|word| word.split('@').next()).map(str::to_owned).collect();
        payloads.sort_unstable();
        payloads
    };
    assert_eq!(payloads(sent(&mut two, 100)), ["0", "1", "2", "3", "4", "5"]);
    world.commit();
    drop(two);
    let world = world.kill();
    assert_eq!(sent(&mut world.connect("one", false).session, 100), Vec::<String>::new());
    assert_eq!(payloads(sent(&mut world.connect("two", false).session, 100)), ["0", "1", "2", "3", "4", "5"]);
}

fn payloads(sent: Vec<String>) -> Vec<String> {
    let mut payloads: Vec<String> = sent.iter().filter_map(|word| word.split('@').next()).map(str::to_owned).collect();
    payloads.sort_unstable();
    payloads
}

fn leave_group(session: &mut Session) {
    let (existed, _) = session.unsubscribe(&[TopicFilter::parse("$share/g/a").unwrap()]);
    assert_eq!(existed, [true]);
}

fn world_with(policy: FullPolicy, messages_max: u64) -> World {
    let limits = DestinationLimits { messages_max, ..DestinationLimits::NONE };
    World::with_options(DestinationOptions { policy, limits, ..DestinationOptions::default() })
}

#[test]
fn the_last_member_that_leaves_still_gets_what_waits_for_it() {
    let world = World::new();
    let mut one = world.subscribed("one", "$share/g/a");
    for number in 0..3 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    leave_group(&mut one);
    assert_eq!(world.publish("later", QoS::AtLeastOnce).matched(), 0);
    assert_eq!(sent(&mut one, 100), ["0@1", "1@2", "2@3"]);
}

#[test]
fn what_waits_for_a_member_that_leaves_the_group_goes_to_those_who_have_room_and_stays_else() {
    for policy in [FullPolicy::Refuse, FullPolicy::DropNewest] {
        let world = world_with(policy, 3);
        let mut one = world.subscribed("one", "$share/g/a");
        for number in 0..3 {
            drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
        }
        let mut two = world.subscribed("two", "$share/g/a");
        drop(world.publish("3", QoS::AtLeastOnce));
        leave_group(&mut one);
        let (by_one, by_two) = (payloads(sent(&mut one, 100)), payloads(sent(&mut two, 100)));
        assert_eq!(
            (by_one.as_slice(), by_two.as_slice()),
            (&["2".to_owned()][..], &["0", "1", "3"].map(str::to_owned)[..]),
            "{policy:?}"
        );
    }
}

#[test]
fn a_message_goes_to_the_member_that_has_room() {
    for policy in [FullPolicy::Refuse, FullPolicy::DropNewest] {
        let world = world_with(policy, 2);
        let mut one = world.subscribed("one", "$share/g/a");
        let mut two = world.subscribed("two", "$share/g/a");
        for number in 0..4 {
            let routed = world.publish(&number.to_string(), QoS::AtLeastOnce);
            assert_eq!((routed.matched(), routed.dropped(), routed.broken()), (1, 0, None), "{policy:?}");
        }
        assert_eq!(sent(&mut one, 100).len(), 2);
        one.handle_delivered(slot(1)).unwrap();
        one.handle_delivered(slot(2)).unwrap();
        one.settle();
        // Whoever's turn it is: the other one is full.
        for number in 4..6 {
            let mut routed = world.publish(&number.to_string(), QoS::AtLeastOnce);
            assert_eq!((routed.matched(), routed.dropped(), routed.broken()), (1, 0, None), "{policy:?}");
            assert!(
                routed.poll_settled(Waker::noop()).is_pending(),
                "it is acknowledged when it is on the other's disk"
            );
            world.commit();
            assert_eq!(routed.poll_settled(Waker::noop()), Poll::Ready(()));
        }
        let all = payloads([sent(&mut one, 100), sent(&mut two, 100)].concat());
        assert_eq!(all.len(), 4, "{policy:?}");
        assert!(all.ends_with(&["4".to_owned(), "5".to_owned()]));
    }
}

/// A client that comes back as soon as anyone is woken, and sends what it finds.
struct ComesBack {
    sessions: Arc<Sessions>,
    claim: Mutex<Option<Claim>>,
    sent: Mutex<Vec<String>>,
}

impl Wake for ComesBack {
    fn wake(self: Arc<Self>) {
        let mut held = self.claim.lock();
        let claim = held.get_or_insert_with(|| claim(&self.sessions, "one", false));
        if let Poll::Ready(Ok(connected)) = claim.poll_connected(Waker::noop()) {
            let mut session = connected.session;
            session.set_waker(Waker::noop().clone());
            self.sent.lock().extend(sent(&mut session, 100));
        }
    }
}

#[test]
fn a_client_that_comes_back_at_once_does_not_send_what_another_member_took() {
    let world = World::new();
    let one = world.subscribed("one", "$share/g/a");
    let mut two = world.subscribed("two", "$share/g/a");
    for number in 0..6 {
        drop(world.publish(&number.to_string(), QoS::AtLeastOnce));
    }
    let mut all = sent(&mut two, 100);
    let back =
        Arc::new(ComesBack { sessions: Arc::clone(&world.sessions), claim: Mutex::default(), sent: Mutex::default() });
    two.set_waker(Waker::from(Arc::clone(&back)));
    world.sessions.leave(now(), one, Ending::Lost);
    assert!(back.claim.lock().is_some(), "it came while its messages were passed on");
    Arc::clone(&back).wake();
    all.extend(sent(&mut two, 100));
    all.extend(back.sent.lock().iter().cloned());
    assert_eq!(payloads(all), ["0", "1", "2", "3", "4", "5"]);
}
