//! Whatever happens, the node keeps its word, and the same seed tells the same story.

use sim::{Simulation, story};

use crate::seeds::{for_each_seed, is_replay};

const ACTS: usize = 60;

#[test]
fn the_same_seed_tells_the_same_story() {
    for_each_seed(10, |seed| {
        let [first, second] = [(); 2].map(|()| story::tell(seed, ACTS, true));
        let lines = |simulation: &Simulation| simulation.trace().text().unwrap_or_default().to_owned();
        for (number, (one, other)) in lines(&first).lines().zip(lines(&second).lines()).enumerate() {
            assert_eq!(one, other, "line {number}");
        }
        assert_eq!(first.trace(), second.trace());
        assert_eq!(story::tell(seed, ACTS, false).trace().hash(), first.trace().hash());
    });
}

#[test]
fn seeds_tell_different_stories() {
    assert_ne!(story::tell(1, ACTS, false).trace().hash(), story::tell(2, ACTS, false).trace().hash());
}

/// What devices published and subscribed to has come as promised: at least once, exactly once, in order, nothing
/// unasked-for, sessions and retained messages kept.
#[test]
fn the_node_keeps_its_word() {
    let mut lines = 0;
    for_each_seed(150, |seed| {
        let simulation = story::tell(seed, ACTS, is_replay());
        assert_eq!(simulation.violations(), Vec::<String>::new());
        lines += simulation.trace().lines();
    });
    assert!(lines > 0);
}
