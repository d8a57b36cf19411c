//! One connection at a time holds a session, whoever comes and however the one before went.

use message::QoS;
use mqtt::{ReasonCode, Version};
use sim::{DeviceOptions, Loss, Simulation};

use crate::seeds::{for_each_seed, is_replay};

#[test]
fn a_second_device_of_the_same_name_pushes_the_first_one_out() {
    for_each_seed(30, |seed| {
        let mut simulation = Simulation::new(seed, is_replay());
        let options =
            DeviceOptions { clean_start: true, session_expiry_s: 0, ..DeviceOptions::persistent("twin", Version::V5) };
        let first = simulation.add(options.clone());
        simulation.connect(first);
        simulation.run_until_settled();
        let second = simulation.add(options);
        simulation.connect(second);
        simulation.run_for(std::time::Duration::from_secs(60));
        assert!(simulation.is_connected(second) && !simulation.is_connected(first));
        assert_eq!(simulation.dismissal(first), Some(ReasonCode::SessionTakenOver));
        assert_eq!(simulation.connected_and_all(), (1, 1));
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
}

#[test]
fn a_device_that_was_lost_in_silence_finds_its_session_and_all_that_came_meanwhile() {
    for_each_seed(30, |seed| {
        let mut simulation = Simulation::new(seed, is_replay());
        let publisher = simulation.add(DeviceOptions::persistent("publisher", Version::V3_1_1));
        let subscriber = simulation.add(DeviceOptions::persistent("subscriber", Version::V3_1_1));
        simulation.connect(publisher);
        simulation.connect(subscriber);
        simulation.run_until_settled();
        simulation.subscribe(subscriber, "a/#", QoS::ExactlyOnce);
        simulation.run_until_settled();
        let mut sent = Vec::new();
        for _ in 0..4 {
            simulation.lose(subscriber, Loss::Silent);
            sent.extend((0..5).map(|_| simulation.publish(publisher, "a/b", QoS::ExactlyOnce, false)));
            simulation.connect(subscriber);
            simulation.run_until_settled();
        }
        simulation.run_for(std::time::Duration::from_secs(10));
        assert_eq!(simulation.numbers(subscriber), sent);
        assert_eq!(simulation.connected_and_all(), (2, 2), "the lost connections are gone");
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
}

/// The dead connection's bytes go nowhere, so that the node cannot even send its last words.
#[test]
fn a_dead_connection_that_takes_no_bytes_does_not_keep_its_session() {
    for_each_seed(30, |seed| {
        let mut simulation = Simulation::new(seed, is_replay());
        let publisher = simulation.add(DeviceOptions::persistent("publisher", Version::V3_1_1));
        let subscriber = simulation.add(DeviceOptions::persistent("subscriber", Version::V3_1_1));
        simulation.connect(publisher);
        simulation.connect(subscriber);
        simulation.run_until_settled();
        simulation.subscribe(subscriber, "a", QoS::AtMostOnce);
        simulation.run_until_settled();
        simulation.lose(subscriber, Loss::Silent);
        for _ in 0..500 {
            simulation.publish(publisher, "a", QoS::AtMostOnce, false);
        }
        simulation.run_for(std::time::Duration::from_secs(60));
        simulation.connect(subscriber);
        simulation.run_for(std::time::Duration::from_secs(8));
        assert!(simulation.is_connected(subscriber));
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
}
