//! Retained messages of QoS 2 from sessions on disk: the spool has the handshake, a table has what is retained, and a crash
//! may come between the two.

use broker::{Origin, Session};
use message::{QoS, TopicFilter};
use store::spool::DestinationOptions;
use store::{DestinationLimits, FullPolicy, Revision};

use crate::world::{World, now, slot};

/// The client's message with this slot.
fn origin(writer: &Session, number: u16) -> Origin {
    Origin { subscriber: Some(writer.subscriber()), exactly_once: writer.destination().zip(Some(slot(number))) }
}

/// Publishes to be retained, with QoS 2 and the slot 7.
fn publish(world: &World, payload: &str) {
    let writer = world.connect("writer", false).session;
    drop(world.publish_any(payload, QoS::ExactlyOnce, true, origin(&writer, 7)));
    world.sessions.leave(now(), writer, broker::Ending::Lost);
}

/// Someone else publishes to be retained.
fn publish_other(world: &World, payload: &str) {
    drop(world.publish_any(payload, QoS::AtLeastOnce, true, Origin::default()));
}

fn retained(world: &World) -> Vec<String> {
    let found = world.router.retained(&TopicFilter::parse("#").unwrap(), now().wall);
    found.iter().map(|publication| String::from_utf8(publication.payload.to_vec()).unwrap()).collect()
}

fn is_known(world: &World) -> bool {
    let session = world.connect("writer", false).session;
    let known = session.destination().and_then(|destination| world.spool.state(destination));
    known.unwrap_or_default().inbound == [7]
}

#[test]
fn a_message_whose_handshake_outlives_a_crash_is_retained_after_it() {
    for before in [None, Some("0")] {
        for payload in ["1", ""] {
            let world = World::new();
            let _reader = world.subscribed("reader", "a");
            before.into_iter().for_each(|payload| publish_other(&world, payload));
            world.retained.commit();
            publish(&world, payload);
            world.commit();
            let mut world = world.kill();
            let expected: Vec<&str> = Some(payload).filter(|payload| !payload.is_empty()).into_iter().collect();
            // However often it crashes before the table has it.
            for round in 0..3 {
                assert!(is_known(&world), "it is not taken a second time");
                assert_eq!(retained(&world), expected, "after {before:?}, round {round}");
                world.commit();
                world = world.kill();
            }
            world.retained.commit();
            // What changes nothing is told with the next change.
            let is_told = before.is_some() || !payload.is_empty();
            assert_eq!(world.spool.retained().is_empty(), is_told);
            assert_eq!(retained(&world.kill()), expected);
        }
    }
}

#[test]
fn it_never_stands_in_place_of_what_came_after_it() {
    for (payloads, expected) in [(&["2"][..], &["2"][..]), (&["2", ""], &[]), (&[""], &[]), (&["", "3"], &["3"])] {
        for commits_between in [false, true] {
            let world = World::new();
            let _reader = world.subscribed("reader", "a");
            publish(&world, "1");
            for payload in payloads {
                if commits_between {
                    world.retained.commit();
                }
                publish_other(&world, payload);
            }
            world.retained.commit();
            world.commit();
            let world = world.kill();
            assert!(is_known(&world));
            assert_eq!(retained(&world), expected, "{payloads:?}");
            world.retained.commit();
            assert_eq!(world.retained.figures().0, expected.len(), "nothing is left of what was cleared");
            assert_eq!(retained(&world.kill()), expected, "{payloads:?}");
        }
    }
}

#[test]
fn one_that_only_the_spool_has_is_overtaken_after_the_crash_as_before_it() {
    let world = World::new();
    let _reader = world.subscribed("reader", "a");
    publish(&world, "1");
    world.commit();
    let world = world.kill();
    publish_other(&world, "2");
    world.retained.commit();
    assert_eq!(retained(&world.kill()), ["2"]);
}

#[test]
fn what_reaches_nobody_on_disk_is_published_again_by_its_client() {
    let world = World::new();
    publish(&world, "1");
    world.commit();
    let world = world.kill();
    assert!(!is_known(&world));
    assert_eq!(retained(&world), Vec::<String>::new());
    publish(&world, "1");
    world.retained.commit();
    assert_eq!(retained(&world.kill()), ["1"]);
}

#[test]
fn a_message_that_all_who_have_it_on_disk_drop_is_retained_all_the_same() {
    let limits = DestinationLimits { messages_max: 1, ..DestinationLimits::NONE };
    let options = DestinationOptions { limits, policy: FullPolicy::DropNewest, ..DestinationOptions::default() };
    let world = World::with_options(options);
    let _reader = world.subscribed("reader", "a");
    drop(world.publish("first", QoS::AtLeastOnce));
    publish(&world, "1");
    world.commit();
    let world = world.kill();
    assert!(is_known(&world));
    assert_eq!(retained(&world), ["1"]);
}

#[test]
fn a_message_that_is_refused_holds_nothing_up() {
    let limits = DestinationLimits { messages_max: 1, ..DestinationLimits::NONE };
    let options = DestinationOptions { limits, policy: FullPolicy::Refuse, ..DestinationOptions::default() };
    let world = World::with_options(options);
    let reader = world.subscribed("reader", "a");
    drop(world.publish("first", QoS::AtLeastOnce));
    publish(&world, "1");
    assert_eq!(world.spool.retained(), []);
    world.sessions.leave(now(), reader, broker::Ending::Lost);
    drop(world.connect("reader", true));
    publish_other(&world, "2");
    world.retained.commit();
    assert_eq!(world.retained.figures(), (1, Revision(2)), "the first came to nothing");
}
