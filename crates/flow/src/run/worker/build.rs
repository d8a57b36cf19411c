//! From a plan to a worker, on the thread of the flow.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use message::{ModuleId, Now};

use super::route::{Arrow, Outputs};
use super::waiting::WaitingModule;
use super::{Closing, Delayed, Work, Worker, WorkingModule};
use crate::build::BuildContext;
use crate::expression::Condition;
use crate::module::Built;
use crate::plan::{Plan, PlannedConnection, PlannedModule};
use crate::run::Emitter;
use crate::script::ScriptEngine;
use crate::services::Services;

/// Why a plan cannot be brought to work: the module, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("module `{module}` cannot start: {what}")]
pub struct WorkerError {
    pub module: ModuleId,
    pub what: String,
}

impl Worker {
    /// Builds every module of the plan. Whatever subscribes or opens in here becomes live when the node says so.
    /// Once `cancelled` is set, whatever is still under way comes to nothing.
    pub fn build(
        plan: &Plan,
        services: &Services,
        scripts: &Rc<ScriptEngine>,
        cancelled: Arc<AtomicBool>,
        now: Now,
    ) -> Result<Self, WorkerError> {
        let mut modules = Vec::with_capacity(plan.modules.len());
        for planned in &plan.modules {
            let module = build_module(plan, planned, services, scripts, now)
                .map_err(|what| WorkerError { module: planned.id.clone(), what })?;
            modules.push(module);
        }
        Ok(Self {
            context: Arc::clone(&plan.context),
            services: services.clone(),
            figures: Arc::clone(&plan.figures),
            modules,
            entrance: VecDeque::new(),
            entrance_spec: plan.flow.options.queue.clone(),
            delayed: Delayed::default(),
            hold_backs: Vec::new(),
            halted: None,
            halt_on_error: plan.flow.options.halt_on_error,
            closing: Closing::No,
            cancelled,
            at_work: None,
            branches: 0,
            walks: 0,
            arrivals: Vec::new(),
            emitter: Emitter::default(),
            stack: Vec::new(),
        })
    }
}

fn build_module(
    plan: &Plan,
    planned: &PlannedModule,
    services: &Services,
    scripts: &Rc<ScriptEngine>,
    now: Now,
) -> Result<WorkingModule, String> {
    let work = if planned.disabled {
        Work::Disabled
    } else {
        let settings = planned.kind.parse(&planned.with).map_err(|error| format!("{}: {error}", error.path))?;
        let mut context = BuildContext { now, module: &planned.id, flow: &plan.context, services, scripts };
        match planned.kind.build(settings, &mut context).map_err(|error| error.to_string())? {
            Built::Inbound(inbound) => Work::Inbound(inbound),
            Built::Step(step) => Work::Step(step),
            Built::Waiting(step) => Work::Waiting(WaitingModule::new(step, planned.queue.clone())),
        }
    };
    let arrows = |connections: &[PlannedConnection]| -> Result<Vec<Arrow>, String> {
        connections.iter().map(|connection| build_arrow(plan, connection, scripts)).collect()
    };
    let mut ports = Vec::with_capacity(planned.outputs.len());
    for connections in &planned.outputs {
        ports.push(arrows(connections)?);
    }
    Ok(WorkingModule {
        id: planned.id.clone(),
        work,
        outputs: Outputs { ports, errors: arrows(&planned.errors)? },
        retry: planned.retry.clone(),
        halt_on_error: planned.halt_on_error,
        figures: Arc::clone(&planned.figures),
    })
}

fn build_arrow(plan: &Plan, connection: &PlannedConnection, scripts: &Rc<ScriptEngine>) -> Result<Arrow, String> {
    let condition = match &connection.route {
        None => None,
        Some(source) => {
            let names = plan.context.variables.names();
            let condition = Condition::new(scripts, source, names)
                .map_err(|error| format!("the route condition `{source}` cannot be read: {error}"))?;
            Some(condition)
        }
    };
    Ok(Arrow { to: connection.to, condition, figures: Arc::clone(&connection.figures) })
}
