//! A node that is killed and loses its power again and again keeps what it promised.

use std::collections::BTreeSet;

use sim::{Simulation, story};

use crate::seeds::{for_each_seed, is_replay};

const ACTS: usize = 60;

/// What was acknowledged is not lost: messages to sessions and to a queue, subscriptions, retained messages; it comes in order,
/// and with QoS 2 once.
#[test]
fn the_node_keeps_its_word_over_crashes() {
    let mut lines = 0;
    for_each_seed(200, |seed| {
        let simulation = story::tell_with_crashes(seed, ACTS, is_replay());
        assert_eq!(simulation.violations(), Vec::<String>::new());
        lines += simulation.trace().lines();
    });
    assert!(lines > 0);
}

/// A story that was broken once: the end of a log after a loss of power had messages without those before them.
#[test]
fn what_a_loss_of_power_leaves_of_a_group_is_its_beginning() {
    let simulation = story::tell_exactly_once(1349, ACTS, is_replay());
    assert_eq!(simulation.violations(), Vec::<String>::new());
}

#[test]
fn messages_come_exactly_once_however_often_the_node_crashes() {
    for_each_seed(100, |seed| {
        let simulation = story::tell_exactly_once(seed, ACTS, is_replay());
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
}

/// The last retained message that was acknowledged is kept, or a later one, also if its handshake and the table of retained
/// messages came to the disk one without the other.
#[test]
fn what_is_retained_is_not_lost_between_its_handshake_and_the_tables() {
    for_each_seed(120, |seed| {
        let simulation = story::tell_of_retained_messages(seed, ACTS, is_replay());
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
}

/// A story that was broken once: a retained message that was known to have come before was not retained.
#[test]
fn a_retained_message_of_which_a_crash_left_the_handshake_is_retained() {
    let simulation = story::tell_with_crashes(1618, ACTS, is_replay());
    assert_eq!(simulation.violations(), Vec::<String>::new());
}

/// What a queue was given is with a consumer that wanted it, waits, or is dead; and what waits comes to who is there.
#[test]
fn a_queue_loses_nothing_between_its_consumers_and_the_crashes_of_its_node() {
    let (mut came, mut again, mut dead) = (0, 0, 0);
    for_each_seed(150, |seed| {
        let (simulation, consumers) = story::tell_of_a_queue(seed, ACTS, is_replay());
        assert_eq!(simulation.violations(), Vec::<String>::new());
        let numbers: Vec<u64> = consumers.into_iter().flat_map(|consumer| simulation.numbers(consumer)).collect();
        came += numbers.len();
        again += numbers.len() - numbers.into_iter().collect::<BTreeSet<_>>().len();
        dead += simulation.dead_letters();
    });
    // Otherwise the stories show nothing.
    assert!(is_replay() || (came > 0 && again > 0 && dead > 0), "{came} came, {again} again, {dead} died");
}

#[test]
fn the_same_seed_tells_the_same_story_over_crashes() {
    for_each_seed(10, |seed| {
        let [first, second] = [(); 2].map(|()| story::tell_with_crashes(seed, ACTS, true));
        let lines = |simulation: &Simulation| simulation.trace().text().unwrap_or_default().to_owned();
        for (number, (one, other)) in lines(&first).lines().zip(lines(&second).lines()).enumerate() {
            assert_eq!(one, other, "line {number}");
        }
        assert_eq!(first.trace(), second.trace());
    });
}
