//! A node that is killed and loses its power again and again keeps what it promised.

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

#[test]
fn messages_come_exactly_once_however_often_the_node_crashes() {
    for_each_seed(100, |seed| {
        let simulation = story::tell_exactly_once(seed, ACTS, is_replay());
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
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
