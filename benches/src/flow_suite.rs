//! Headwater beside Node-RED as a runner of flows: subscribe, script, route, publish. The window keeps at most so many
//! messages under way that nothing has to be dropped, so the rate is one that can be sustained.

use crate::contender::{Running, start_headwater, start_node_red};
use crate::figures::{Scenario, print};
use crate::load;
use crate::options::Options;
use crate::publisher::Pace;
use crate::stopped::Stopped;
use crate::traffic::{Payload, Traffic};

const TRAFFIC: Traffic =
    Traffic { publishers: 1, subscribers: 1, qos: 0, payload: Payload::Reading, filter: "bench/out/#" };

/// Every scenario: its name and how fast.
const SCENARIOS: &[(&str, Pace)] =
    &[("as fast as it goes", Pace::Window(1_000)), ("at 1,000/s", Pace::PerSecond(1_000))];

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    let chosen = || SCENARIOS.iter().filter(|(name, _)| name.contains(&options.only));
    let mut node_red: Vec<Vec<_>> = chosen().map(|_| Vec::new()).collect();
    let mut headwater = node_red.clone();
    for _ in 0..options.rounds {
        measure(&start_node_red()?, options, &mut node_red)?;
        if options.headwater.is_file() {
            measure(&start_headwater(&options.headwater, Some("flows"))?, options, &mut headwater)?;
        }
    }
    let scenarios: Vec<Scenario<_>> = chosen()
        .zip(node_red.into_iter().zip(headwater))
        .map(|((name, _), (node_red, headwater))| {
            let mut rounds = vec![("Node-RED", node_red)];
            if !headwater.is_empty() {
                rounds.push(("Headwater", headwater));
            }
            Scenario { name, rounds }
        })
        .collect();
    print("Flows: subscribe, script, route, publish; Node-RED's figures contain its mosquitto's", &scenarios);
    Ok(())
}

fn measure(contender: &Running, options: &Options, outcomes: &mut [Vec<load::Outcome>]) -> Result<(), Stopped> {
    load::await_first_message(contender, &TRAFFIC)?;
    for ((_, pace), outcomes) in SCENARIOS.iter().filter(|(name, _)| name.contains(&options.only)).zip(outcomes) {
        outcomes.push(load::run(contender, &TRAFFIC, *pace, options.duration)?);
    }
    Ok(())
}
