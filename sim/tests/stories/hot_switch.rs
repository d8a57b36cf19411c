//! A flow is deployed anew while messages stream through it: each is handled by one version, once, and in its order.

use std::collections::BTreeMap;
use std::time::Duration;

use message::QoS;
use mqtt::Version;
use sim::{Chance, Device, DeviceOptions, Loss, Simulation, story};

use crate::seeds::{for_each_seed, is_replay};

const MESSAGES: usize = 60;

#[test]
fn every_message_is_handled_exactly_once_and_in_order_across_versions() {
    for_each_seed(60, |seed| {
        let (simulation, subscriber) = stream_through_versions(seed, false);
        assert_eq!(simulation.versions_at_work().len(), 1, "old versions drain and end");
        assert!(simulation.numbers(subscriber).is_sorted(), "{:?}", simulation.numbers(subscriber));
    });
}

#[test]
fn connections_that_break_meanwhile_change_nothing() {
    for_each_seed(60, |seed| {
        stream_through_versions(seed, true);
    });
}

/// A device publishes to a flow, exactly once, and another takes what the flow makes of it.
fn stream_through_versions(seed: u64, with_losses: bool) -> (Simulation, Device) {
    let mut chance = Chance::new(!seed);
    let mut simulation = Simulation::new(seed, is_replay());
    let version = chance.pick(&[Version::V3_1_1, Version::V5]);
    let publisher = simulation.add(DeviceOptions::persistent("publisher", version));
    let subscriber = simulation.add(DeviceOptions::persistent("subscriber", Version::V5));
    simulation.deploy(story::RELAY);
    simulation.connect(publisher);
    simulation.connect(subscriber);
    simulation.run_until_settled();
    simulation.subscribe(subscriber, "out/#", QoS::ExactlyOnce);
    simulation.run_until_settled();
    let mut expected = BTreeMap::new();
    for place in 0..MESSAGES {
        let topic = chance.pick(&["in/x", "in/y/z"]);
        expected.insert(simulation.publish(publisher, topic, QoS::ExactlyOnce, false), 1);
        if place % 15 == 7 {
            // One version after another, also before the one before has begun.
            (0..=chance.below(3)).for_each(|_| simulation.deploy(story::RELAY));
        }
        if with_losses && chance.one_in(10) {
            let device = chance.pick(&[publisher, subscriber]);
            let loss = chance.pick(&[Loss::Broken, Loss::Silent]);
            simulation.lose(device, loss);
        }
        let pause = chance.span(Duration::from_millis(30));
        simulation.run_for(pause);
        simulation.connect(publisher);
        simulation.connect(subscriber);
    }
    simulation.run_until_settled();
    simulation.run_for(Duration::from_secs(10));
    simulation.run_until_settled();
    assert_eq!(simulation.relayed_copies(subscriber), expected);
    assert_eq!(simulation.violations(), Vec::<String>::new());
    (simulation, subscriber)
}
