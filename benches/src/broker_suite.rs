//! Headwater beside other brokers: throughput in three shapes, QoS 1, and latency at a steady pace.

use crate::contender::{
    Running, nats_program, rumqttd_program, start_headwater, start_mosquitto, start_nats, start_rumqttd,
};
use crate::figures::{Scenario, print};
use crate::load;
use crate::options::Options;
use crate::publisher::Pace;
use crate::stopped::Stopped;
use crate::traffic::{Payload, Traffic};

const fn traffic(publishers: usize, subscribers: usize, qos: u8) -> Traffic {
    Traffic { publishers, subscribers, qos, payload: Payload::Bytes(64), filter: "bench/in/#" }
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

/// A broker by name, and how it is started.
type Contender<'a> = (&'static str, Box<dyn Fn() -> Result<Running, Stopped> + 'a>);

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    let contenders = contenders(options);
    let mut scenarios = Vec::new();
    for (name, traffic, pace) in SCENARIOS.iter().filter(|(name, ..)| name.contains(&options.only)) {
        let mut rounds: Vec<(&str, Vec<_>)> = contenders.iter().map(|(name, _)| (*name, Vec::new())).collect();
        for _ in 0..options.rounds {
            for ((_, start), (_, outcomes)) in contenders.iter().zip(&mut rounds) {
                outcomes.push(load::run(&start()?, traffic, *pace, options.duration)?);
            }
        }
        scenarios.push(Scenario { name, rounds });
    }
    print("Brokers, payloads of 64 bytes", &scenarios);
    Ok(())
}

/// mosquitto first and Headwater last, as these two are compared; between them those that are installed.
fn contenders(options: &Options) -> Vec<Contender<'_>> {
    let mut contenders: Vec<Contender<'_>> = vec![("mosquitto", Box::new(start_mosquitto))];
    let peers: [(Contender<'_>, _); 2] = [
        (("nats-server", Box::new(start_nats)), nats_program()),
        (("rumqttd", Box::new(start_rumqttd)), rumqttd_program()),
    ];
    for ((name, start), program) in peers {
        if program.is_file() {
            contenders.push((name, start));
        } else {
            eprintln!(
                "{name} is not measured: scripts/install-bench-peers.sh has not put it into {}",
                program.display()
            );
        }
    }
    if options.headwater.is_file() {
        contenders.push(("Headwater", Box::new(|| start_headwater(&options.headwater, None))));
    }
    contenders
}
