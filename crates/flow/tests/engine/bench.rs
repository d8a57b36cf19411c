//! A flow on the test bench: real modules and a few made for tests, a clock set by hand, services in memory.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};

use flow::Catalog;
use flow::build::{BuildContext, BuildError};
use flow::module::{Built, Direction, Failure, Module, ModuleKind, Of, Step};
use flow::modules::MODULES;
use flow::plan::{ParameterOverrides, Plan, PlanFor};
use flow::run::{Emitter, Itinerary, Progress, Worker};
use flow::script::{ScriptEngine, ScriptLimits};
use message::{Now, Value};

use crate::harness::{World, now};

/// Fails on messages whose `data.fail` is true, as often as `times` says, and panics on `data.panic`.
pub struct Fragile;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FragileSettings {
    times: u32,
}

impl Default for FragileSettings {
    fn default() -> Self {
        Self { times: u32::MAX }
    }
}

impl Module for Fragile {
    const TYPE: &'static str = "test-fragile";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Fails when told to.";
    const EXAMPLE: &'static str = "";
    type Settings = FragileSettings;

    fn build(settings: FragileSettings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        Ok(Built::Step(Box::new(FragileStep { left: settings.times })))
    }
}

struct FragileStep {
    left: u32,
}

impl Step for FragileStep {
    fn process(&mut self, _: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        let told =
            |what: &str| itinerary.message.get("data").and_then(|data| data.get(what)) == Some(&Value::Bool(true));
        assert!(!told("panic"), "as told");
        if told("fail") && self.left > 0 {
            self.left -= 1;
            return Err(Failure::new(itinerary, "failed as told"));
        }
        out.emit(itinerary);
        Ok(())
    }
}

const TEST_MODULES: &[&dyn ModuleKind] = &[&Of::<Fragile>::new()];

/// A flow with its world.
pub struct Bench {
    pub world: World,
    pub plan: Plan,
    pub worker: Worker,
    pub cancelled: Arc<AtomicBool>,
    millis: Rc<Cell<u64>>,
}

impl Bench {
    /// Builds the flow written as TOML; one that does not check is a panic with all problems.
    pub fn new(toml: &str) -> Self {
        let flow = flow::file::read(toml).unwrap_or_else(|problems| panic!("{}", lines(&problems)));
        let catalog = Catalog::new(&[MODULES, TEST_MODULES]);
        let plan = Plan::new(Arc::new(flow), &catalog, &ParameterOverrides::new(), &PlanFor::default())
            .unwrap_or_else(|problems| panic!("{}", lines(&problems)));
        let world = World::new();
        let scripts = Rc::new(ScriptEngine::new(ScriptLimits::default()));
        let cancelled = Arc::new(AtomicBool::new(false));
        let worker = Worker::build(&plan, &world.services, &scripts, Arc::clone(&cancelled), now(0)).unwrap();
        Self { world, plan, worker, cancelled, millis: Rc::default() }
    }

    /// Polls until there is nothing more to do at this time.
    pub fn settle(&mut self) -> Progress {
        let millis = Rc::clone(&self.millis);
        let clock = move || now(millis.get());
        for _ in 0..1_000 {
            match self.worker.poll(&mut Context::from_waker(Waker::noop()), &clock) {
                Progress::Busy => {}
                ended => return ended,
            }
        }
        panic!("the flow does not come to rest");
    }

    /// Sets the clock and lets the flow do what is due.
    pub fn at(&mut self, millis: u64) -> Progress {
        self.millis.set(millis);
        self.settle()
    }

    /// Publishes and lets the flow work.
    pub fn send(&mut self, topic: &str, payload: &str) -> Progress {
        self.world.broker.send(topic, payload.as_bytes());
        self.settle()
    }

    /// What the flow has published, as `topic payload`.
    pub fn published(&self) -> Vec<String> {
        self.world.broker.lines()
    }

    /// A figure of the flow or, by `module.figure`, of a module.
    pub fn errors_of(&self, module: &str) -> u64 {
        let module = self.plan.modules.iter().find(|planned| planned.id.as_str() == module).unwrap();
        module.figures.errors.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn lines(problems: &[flow::check::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A flow that listens on `in` and has the given middle; publishers named like their topics come by themselves.
pub fn flow(middle: &str) -> String {
    format!(
        r#"
id = "tried"

[variables]
limit = {{ type = "number", value = 30 }}

[modules.source]
type = "mqtt-sub-broker"
with = {{ topic = "in" }}

[modules.a]
type = "mqtt-pub-broker"
with = {{ topic = "a" }}

[modules.b]
type = "mqtt-pub-broker"
with = {{ topic = "b" }}
{middle}"#
    )
}
