//! Headwater beside mosquitto as a broker: throughput in three shapes, QoS 1, and latency at a steady pace.

use crate::contender::{Running, start_headwater, start_mosquitto};
use crate::figures::{Scenario, print};
use crate::load;
use crate::options::Options;
use crate::publisher::Pace;
use crate::stopped::Stopped;
use crate::traffic::{Payload, Traffic};

const fn traffic(publishers: usize, subscribers: usize, qos: u8) -> Traffic {
    Traffic { publishers, subscribers, qos, payload: Payload::Bytes64, filter: "bench/in/#" }
}

/// Every scenario: its name, who sends and receives, how fast.
const SCENARIOS: &[(&str, Traffic, Pace)] = &[
    ("QoS 0, 1 to 1", traffic(1, 1, 0), Pace::Window(20_000)),
    ("QoS 0, 1 to 50", traffic(1, 50, 0), Pace::Window(20_000)),
    ("QoS 0, 50 to 1", traffic(50, 1, 0), Pace::Window(20_000)),
    ("QoS 1, 1 to 1, 100 under way", traffic(1, 1, 1), Pace::Window(100)),
    ("QoS 0 at 10,000/s", traffic(1, 1, 0), Pace::PerSecond(10_000)),
    ("QoS 1 at 10,000/s", traffic(1, 1, 1), Pace::PerSecond(10_000)),
];

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    let mut scenarios = Vec::new();
    for (name, traffic, pace) in SCENARIOS.iter().filter(|(name, ..)| name.contains(&options.only)) {
        let mut mosquitto = Vec::new();
        let mut headwater = Vec::new();
        let measure = |contender: &Running| load::run(contender, traffic, *pace, options.duration);
        for _ in 0..options.rounds {
            mosquitto.push(measure(&start_mosquitto()?)?);
            if options.headwater.is_file() {
                headwater.push(measure(&start_headwater(&options.headwater, None)?)?);
            }
        }
        let mut rounds = vec![("mosquitto", mosquitto)];
        if !headwater.is_empty() {
            rounds.push(("Headwater", headwater));
        }
        scenarios.push(Scenario { name, rounds });
    }
    print("Brokers, payloads of 64 bytes", &scenarios);
    Ok(())
}
