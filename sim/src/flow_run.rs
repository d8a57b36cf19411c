//! One version of a flow at work: the real engine, driven in turns.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use flow::model::Flow;
use flow::plan::{ParameterOverrides, Plan, PlanFor};
use flow::run::{Progress, Worker};
use flow::script::ScriptEngine;
use flow::services::Services;
use flow::{Catalog, modules};
use message::{Moment, Text};

use crate::Clock;
use crate::flag::Flag;
use crate::services::Attachment;

#[derive(Debug)]
pub(crate) struct FlowRun {
    pub(crate) version: u64,
    pub(crate) attachment: Arc<Attachment>,
    worker: Worker,
    flag: Flag,
    due: Option<Moment>,
}

impl FlowRun {
    /// Builds a version; it takes nothing until its attachment is switched to. Panics with all that is wrong.
    pub(crate) fn build(
        text: &str,
        version: u64,
        attachment: Arc<Attachment>,
        services: &Services,
        clock: &Clock,
    ) -> Self {
        let problems = |problems: Vec<flow::check::Problem>| -> Plan {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        };
        let flow: Result<Flow, _> = flow::file::read(text);
        let catalog = Catalog::new(&[modules::MODULES]);
        let plan_for = PlanFor { version, run: version, node: Text::new("sim"), site: Text::default() };
        let plan = flow
            .and_then(|flow| Plan::new(Arc::new(flow), &catalog, &ParameterOverrides::new(), &plan_for))
            .unwrap_or_else(problems);
        let scripts = ScriptEngine::new(plan.script_options());
        let worker = Worker::build(&plan, services, &Rc::new(scripts), Arc::default(), clock.now());
        let worker = worker.unwrap_or_else(|error| panic!("{error}"));
        Self { version, attachment, worker, flag: Flag::raised(), due: None }
    }

    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.flag.is_raised() || self.due.is_some_and(|due| due <= now)
    }

    pub(crate) fn next_due(&self, now: Moment) -> Option<Moment> {
        self.due.filter(|due| *due > now)
    }

    /// Whether the next version may begin.
    pub(crate) fn is_in_order(&self) -> bool {
        self.worker.is_in_order()
    }

    /// Takes nothing new; what has begun goes on.
    pub(crate) fn close(&mut self) {
        self.worker.close();
        self.flag.raise();
    }

    /// Lets the engine do one batch. Returns whether it has drained.
    pub(crate) fn run(&mut self, clock: &Clock) -> bool {
        self.flag.lower();
        self.due = None;
        let waker = self.flag.waker();
        match self.worker.poll(&mut Context::from_waker(&waker), &|| clock.now()) {
            Progress::Busy => self.flag.raise(),
            Progress::Idle { until } => self.due = until,
            Progress::Drained => return true,
            Progress::Halted(halt) => panic!("the flow came to a halt: {}", halt.what),
        }
        false
    }
}
