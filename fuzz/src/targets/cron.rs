//! Cron expressions through the module that takes them: what its check takes can be built, and ticks in the future.

use std::rc::Rc;
use std::sync::Arc;

use flow::build::BuildContext;
use flow::check::Checker;
use flow::module::Built;
use flow::run::FlowContext;
use flow::script::{ScriptEngine, ScriptLimits};
use flow::{Catalog, modules};
use message::{FlowId, ModuleId, Object, Text};
use sim::Clock;
use sim::services::{Attachment, SimulatedTimers, services};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "cron",
    what: "a timer whose cron expression passes its check is built and ticks later than now",
    run,
    seeds: &[b"0 6 * * mon-fri", b"*/5 * * * *", b"0 0 29 2 *", b"30 0 6 * * *", b"0 0 L * *", b"0 0 1 1 sun#2"],
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (Ok(module), Ok(flow)) = (ModuleId::parse("timer"), FlowId::parse("a")) else { return };
    let catalog = Catalog::new(&[modules::MODULES]);
    let Some(kind) = catalog.find("timer") else { panic!("there is a module `timer`") };
    let with = [("cron".to_owned(), serde_json::Value::from(text))].into_iter().collect();
    let Ok(settings) = kind.parse(&with) else { return };
    let (mut problems, mut claims) = (Vec::new(), Vec::new());
    kind.check(&settings, &mut Checker::new(&module, &[], &mut problems, &mut claims));
    let clock = Clock::default();
    let router = broker::Router::new(broker::RouterOptions::new(1));
    let attachment = Attachment::new(&router, &clock, 1);
    let services = services(&attachment, &Arc::default(), &SimulatedTimers::new(&clock));
    let flow = Arc::new(FlowContext {
        flow,
        version: 1,
        node: Text::default(),
        site: Text::default(),
        run: 1,
        parameters: Object::new(),
        variables: flow::run::VariableNames::default(),
    });
    let scripts = Rc::new(ScriptEngine::new(ScriptLimits::default()));
    let now = clock.now();
    let mut context = BuildContext { now, module: &module, flow: &flow, services: &services, scripts: &scripts };
    match kind.build(settings, &mut context) {
        Ok(Built::Inbound(inbound)) => {
            assert!(problems.is_empty(), "{text:?} is built in spite of {problems:?}");
            assert!(inbound.poll_timeout().is_none_or(|due| due > now.moment), "{text:?} is due at once");
        }
        Ok(other) => panic!("a timer is inbound, not {other:?}"),
        // Whether a day ever comes is asked only when the timer is built.
        Err(error) => {
            let told = !problems.is_empty() || error.to_string().contains("never comes");
            assert!(told, "{text:?} passed its check: {error}");
        }
    }
}
