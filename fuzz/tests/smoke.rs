//! Every target withstands its seeds and a few thousand inputs made from them.

use fuzz::{Mutator, TARGETS};

/// Some targets build an engine for each input: they get fewer.
fn inputs_of(target: &str) -> usize {
    match target {
        "expression" | "cron" => 300,
        "flow_file" => 500,
        _ => 3_000,
    }
}

#[test]
fn every_target_withstands_its_seeds_and_their_mutations() {
    for target in TARGETS {
        let mut mutator = Mutator::new(1, target.seeds);
        let seeds = target.seeds.iter().map(|seed| seed.to_vec());
        let mutated = std::iter::repeat_with(|| mutator.next_input()).take(inputs_of(target.name));
        for input in seeds.chain(mutated) {
            let run = || (target.run)(&input);
            if std::panic::catch_unwind(run).is_err() {
                panic!("{} fails on {:?}", target.name, String::from_utf8_lossy(&input));
            }
        }
    }
}

#[test]
fn targets_have_names_of_their_own_and_seeds() {
    for (place, target) in TARGETS.iter().enumerate() {
        assert!(!target.seeds.is_empty() && !target.what.is_empty(), "{}", target.name);
        assert!(TARGETS[..place].iter().all(|other| other.name != target.name), "{}", target.name);
    }
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let inputs = || {
        let mut mutator = Mutator::new(7, TARGETS[0].seeds);
        (0..50).map(|_| mutator.next_input()).collect::<Vec<_>>()
    };
    assert_eq!(inputs(), inputs());
}
