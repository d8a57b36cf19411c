//! Wills of sessions on disk: one counts as sent when it is on disk.

use std::time::Duration;

use broker::{Ending, SessionExpiry};

use crate::world::{World, now, sent};

const SOON: Duration = Duration::from_secs(1);

/// What the reader has got, in this life of the node.
fn read(world: &World) -> Vec<String> {
    let mut session = world.connect("reader", false).session;
    let read = sent(&mut session, 100);
    world.sessions.leave(now(), session, Ending::Lost);
    read
}

#[test]
fn a_will_that_a_crash_takes_on_its_way_to_the_disk_is_sent_again() {
    for delay in [Duration::ZERO, Duration::from_secs(5)] {
        let world = World::new();
        let reader = world.subscribed("reader", "a");
        let session = world.connect_with_will("device", delay, false);
        world.commit();
        world.sessions.leave(now(), session, Ending::Lost);
        world.time_passes(delay);
        drop(reader);
        // It was sent, and no disk has it.
        let world = world.kill();
        world.time_passes(delay);
        assert_eq!(read(&world), ["will@1"], "{delay:?}");
    }
}

#[test]
fn a_will_that_is_on_disk_is_not_sent_again() {
    let world = World::new();
    let reader = world.subscribed("reader", "a");
    let session = world.connect_with_will("device", Duration::ZERO, false);
    world.sessions.leave(now(), session, Ending::Lost);
    world.time_passes(SOON);
    assert_eq!(world.written_down(), (2, 1), "it is still to be sent");
    assert!(world.sessions.poll_timeout().is_some_and(|due| due < now().moment + 2 * SOON), "and looked after");
    world.commit();
    world.time_passes(SOON);
    assert_eq!(world.written_down(), (2, 0));
    drop(reader);
    let world = world.kill();
    world.commit();
    assert_eq!(read(&world), ["will@1"]);
}

#[test]
fn a_session_that_ends_with_its_will_is_forgotten_when_that_is_on_disk() {
    let hour = Duration::from_secs(3600);
    for (delay, expiry) in [(hour, None), (2 * hour, None), (Duration::ZERO, Some(SessionExpiry::AtDisconnect))] {
        let world = World::new();
        let _reader = world.subscribed("reader", "a");
        let mut session = world.connect_with_will("device", delay, false);
        world.commit();
        expiry.into_iter().for_each(|expiry| session.set_expiry(expiry));
        world.sessions.leave(now(), session, Ending::Lost);
        world.time_passes(hour);
        assert_eq!(world.written_down(), (2, 1), "{delay:?}");
        world.commit();
        world.time_passes(hour + SOON);
        assert_eq!(world.written_down(), (1, 0), "{delay:?}");
    }
}

#[test]
fn a_client_that_comes_back_has_its_new_will_and_no_more_of_the_old_one() {
    for clean_start in [false, true] {
        let world = World::new();
        let _reader = world.subscribed("reader", "a");
        let mut session = world.connect_with_will("device", Duration::ZERO, false);
        session.set_expiry(if clean_start { SessionExpiry::AtDisconnect } else { session.expiry() });
        world.sessions.leave(now(), session, Ending::Lost);
        let _session = world.connect_with_will("device", Duration::ZERO, clean_start);
        world.commit();
        world.time_passes(SOON);
        world.sessions.note_sent_wills(now().moment);
        assert_eq!(world.written_down(), (2, 1), "the new will is to be sent");
    }
}
