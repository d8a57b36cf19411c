//! One flow's work while others make trouble beside it on the same node: redeployed, crashing, looping, filling their
//! heap, stuck, calling a host that does not answer. Every kind of trouble stands beside the same node without any.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Api;
use crate::clock::sleep;
use crate::contender::{Running, start_headwater};
use crate::figures::{Scenario, print};
use crate::load::{self, Outcome};
use crate::options::Options;
use crate::publisher::Pace;
use crate::stopped::Stopped;
use crate::traffic::{Payload, Traffic};

const FOLDER: &str = "neighbours";
const PER_SECOND: u64 = 5_000;
const REDEPLOYS: u32 = 100;
/// How long trouble lasts before it is measured.
const TROUBLE_BEFORE: Duration = Duration::from_millis(500);

/// The first flow's output, and that of the flow behind it.
const BEHIND_FIRST: &str = "bench/telemetry";
const BEHIND_SECOND: &str = "bench/kpi";

/// What happens beside the measured flow.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The second flow is deployed anew all the time.
    Redeploys,
    /// A flow of this name in the folder of trouble.
    Flow(&'static str),
}

/// Every scenario: its name, where it is measured, and the trouble.
const SCENARIOS: &[(&str, &str, Trouble)] = &[
    ("100 redeploys, behind the first flow", BEHIND_FIRST, Trouble::Redeploys),
    ("100 redeploys, behind the redeployed flow", BEHIND_SECOND, Trouble::Redeploys),
    ("a flow that crashes", BEHIND_FIRST, Trouble::Flow("crash")),
    ("a flow that loops for ever", BEHIND_FIRST, Trouble::Flow("endless-loop")),
    ("a flow that fills its heap", BEHIND_FIRST, Trouble::Flow("full-heap")),
    ("a flow that cannot be interrupted", BEHIND_FIRST, Trouble::Flow("stuck")),
    ("a flow that calls a dead host", BEHIND_FIRST, Trouble::Flow("dead-host")),
];

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    if !options.headwater.is_file() {
        return Ok(());
    }
    let mut scenarios = Vec::new();
    for (name, filter, trouble) in SCENARIOS.iter().filter(|(name, ..)| name.contains(&options.only)) {
        let (mut calm, mut troubled) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            calm.push(measure(options, filter, None)?);
            troubled.push(measure(options, filter, Some(*trouble))?);
        }
        scenarios.push(Scenario { name, rounds: vec![("undisturbed", calm), ("in trouble", troubled)] });
    }
    print("Neighbours: one flow at 5,000 messages/s and QoS 1 while another makes trouble", &scenarios);
    Ok(())
}

/// One run on a node of its own.
fn measure(options: &Options, filter: &'static str, trouble: Option<Trouble>) -> Result<Outcome, Stopped> {
    let traffic = Traffic { publishers: 1, subscribers: 1, qos: 1, payload: Payload::Reading, filter };
    let node = start_headwater(&options.headwater, Some(FOLDER))?;
    load::await_first_message(&node, &traffic)?;
    let api = Api::of(&node.data_dir())?;
    let load = |node: &Running| load::run(node, &traffic, Pace::PerSecond(PER_SECOND), options.duration);
    match trouble {
        None => load(&node),
        Some(Trouble::Flow(name)) => {
            api.deploy(name, &read(&Path::new("trouble").join(name))?)?;
            sleep(TROUBLE_BEFORE);
            load(&node)
        }
        Some(Trouble::Redeploys) => std::thread::scope(|scope| {
            let redeploys = scope.spawn(|| redeploy(&api, options.duration));
            let outcome = load(&node);
            redeploys.join().map_err(|_| Stopped::Panicked)??;
            outcome
        }),
    }
}

/// Deploys the second flow again and again within `duration`, each time with another setting.
fn redeploy(api: &Api, duration: Duration) -> Result<(), Stopped> {
    let text = read(Path::new("kpi"))?;
    for number in 1..=REDEPLOYS {
        sleep(duration / REDEPLOYS);
        api.deploy("kpi", &text.replace("offset = 0", &format!("offset = {number}")))?;
    }
    Ok(())
}

fn read(name: &Path) -> Result<String, Stopped> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(name).with_extension("toml");
    std::fs::read_to_string(&path).map_err(|source| Stopped::Read { path, source })
}
