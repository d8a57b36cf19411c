//! Hours of keep alive, session expiry and delayed wills, told in milliseconds.

use std::time::Duration;

use message::QoS;
use mqtt::Version;
use sim::{Device, DeviceOptions, Loss, Simulation};

use crate::seeds::{for_each_seed, is_replay};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn connected(simulation: &mut Simulation, options: DeviceOptions) -> Device {
    let device = simulation.add(options);
    simulation.connect(device);
    simulation.run_until_settled();
    device
}

fn with_keep_alive(keep_alive_s: u16) -> DeviceOptions {
    DeviceOptions { keep_alive_s, ..DeviceOptions::persistent("a", Version::V3_1_1) }
}

#[test]
fn a_device_that_pings_stays_for_a_day() {
    for_each_seed(3, |seed| {
        let mut simulation = Simulation::new(seed, is_replay());
        let device = connected(&mut simulation, with_keep_alive(60));
        simulation.run_for(24 * HOUR);
        assert!(simulation.is_connected(device));
        assert_eq!(simulation.connected_and_all(), (1, 1));
    });
}

#[test]
fn a_silent_device_is_given_up_after_one_and_a_half_times_its_keep_alive() {
    for_each_seed(10, |seed| {
        let mut simulation = Simulation::new(seed, is_replay());
        let device = connected(&mut simulation, with_keep_alive(60));
        simulation.lose(device, Loss::Silent);
        simulation.run_for(Duration::from_secs(89));
        assert_eq!(simulation.connected_and_all(), (1, 1));
        simulation.run_for(Duration::from_secs(2));
        assert_eq!(simulation.connected_and_all(), (0, 1), "its session waits for it");
    });
}

#[test]
fn a_session_ends_when_its_time_has_passed_and_not_before() {
    for_each_seed(10, |seed| {
        let mut simulation = Simulation::new(seed, is_replay());
        let options = DeviceOptions { session_expiry_s: 7200, ..DeviceOptions::persistent("a", Version::V5) };
        let device = connected(&mut simulation, options);
        for away in [HOUR, 119 * MINUTE] {
            simulation.lose(device, Loss::Broken);
            simulation.run_for(away);
            assert_eq!(simulation.connected_and_all(), (0, 1));
            simulation.connect(device);
            simulation.run_until_settled();
        }
        simulation.lose(device, Loss::Broken);
        simulation.run_for(2 * HOUR + MINUTE);
        assert_eq!(simulation.connected_and_all(), (0, 0));
        assert_eq!(simulation.violations(), Vec::<String>::new());
    });
}

#[test]
fn a_will_is_sent_after_its_delay_unless_the_device_comes_back_or_says_goodbye() {
    enum Then {
        Stay,
        ComeBack,
        SayGoodbye,
    }
    for_each_seed(10, |seed| {
        for (then, heard) in [(Then::Stay, 1), (Then::ComeBack, 0), (Then::SayGoodbye, 0)] {
            let mut simulation = Simulation::new(seed, is_replay());
            let watcher = connected(&mut simulation, DeviceOptions::persistent("watcher", Version::V5));
            simulation.subscribe(watcher, "will/#", QoS::AtLeastOnce);
            simulation.run_until_settled();
            let device = simulation.add(DeviceOptions::persistent("a", Version::V5));
            simulation.connect_with_will(device, Some(("will/a", QoS::AtLeastOnce, 600)));
            simulation.run_until_settled();
            if matches!(then, Then::SayGoodbye) {
                simulation.disconnect(device, None);
            } else {
                simulation.lose(device, Loss::Broken);
            }
            simulation.run_for(9 * MINUTE);
            assert_eq!(simulation.numbers(watcher).len(), 0);
            if matches!(then, Then::ComeBack) {
                simulation.connect(device);
            }
            simulation.run_for(2 * MINUTE);
            assert_eq!(simulation.numbers(watcher).len(), heard);
            assert_eq!(simulation.violations(), Vec::<String>::new());
        }
    });
}
