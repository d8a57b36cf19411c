//! A checked flow made ready to be built: parameters put in, names turned into places, conditions sorted by output.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use message::{ModuleId, Object, Text, Value};

use crate::Catalog;
use crate::check::{self, Claim, Problem, Severity};
use crate::model::{Flow, PortName, QueueSpec, RetrySpec, ScriptOptions};
use crate::module::{Direction, ModuleKind};
use crate::run::{ConnectionFigures, FlowContext, FlowFigures, ModuleFigures, VariableNames};

/// The values that a node gives to a flow's parameters.
pub type ParameterOverrides = BTreeMap<String, serde_json::Value>;

/// One version of a flow, ready to be built on its thread, as often as it must be started.
#[derive(Debug)]
pub struct Plan {
    pub flow: Arc<Flow>,
    pub context: Arc<FlowContext>,
    pub figures: Arc<FlowFigures>,
    pub modules: Vec<PlannedModule>,
    /// What the flow touches outside of itself.
    pub claims: Vec<(ModuleId, Claim)>,
}

/// One step of a planned flow. Other steps are named by their place in the list.
pub struct PlannedModule {
    pub id: ModuleId,
    pub kind: &'static dyn ModuleKind,
    /// The settings with the parameters put in.
    pub with: serde_json::Map<String, serde_json::Value>,
    pub disabled: bool,
    pub halt_on_error: bool,
    pub retry: RetrySpec,
    pub queue: QueueSpec,
    /// The connections by output, in the order of the module's ports.
    pub outputs: Vec<Vec<PlannedConnection>>,
    /// The connections that leave by `error`.
    pub errors: Vec<PlannedConnection>,
    pub figures: Arc<ModuleFigures>,
}

/// One arrow of a planned flow.
#[derive(Debug, Clone)]
pub struct PlannedConnection {
    /// The place of the module that it leads to.
    pub to: usize,
    pub route: Option<String>,
    pub figures: Arc<ConnectionFigures>,
}

impl std::fmt::Debug for PlannedModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlannedModule").field("id", &self.id).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

/// Which node a flow runs on, and as which version and run.
#[derive(Debug, Clone, Default)]
pub struct PlanFor {
    pub version: u64,
    pub run: u64,
    pub node: Text,
    pub site: Text,
}

impl Plan {
    /// Checks the flow and plans it; any problem that is an error refuses it, with all problems told.
    pub fn new(
        flow: Arc<Flow>,
        catalog: &Catalog,
        overrides: &ParameterOverrides,
        plan_for: &PlanFor,
    ) -> Result<Self, Vec<Problem>> {
        let checked = check::check(&flow, catalog, overrides);
        if checked.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(checked.problems);
        }
        let parameters = check::resolve_parameters(&flow, overrides);
        let mut modules = Vec::with_capacity(flow.modules.len());
        for (id, spec) in &flow.modules {
            let Some(kind) = catalog.find(&spec.type_name) else { continue };
            // The check above has refused what cannot be put in or read.
            let with = check::substitute(&spec.with, &parameters).unwrap_or_default();
            let ports = kind.parse(&with).map(|settings| kind.ports(&settings)).unwrap_or_default();
            let connections = |port: &str| connections_of(&flow, id, port);
            modules.push(PlannedModule {
                id: id.clone(),
                kind,
                disabled: spec.disabled,
                halt_on_error: spec.halt_on_error,
                retry: spec.retry.clone().unwrap_or_default(),
                queue: spec.queue.clone().unwrap_or_default(),
                outputs: ports.iter().map(|port: &PortName| connections(port)).collect(),
                errors: connections(crate::model::Connection::ERROR),
                figures: Arc::default(),
                with,
            });
        }
        let variables =
            flow.variables.iter().map(|(name, variable)| (name.clone(), variable.kind, variable.value.clone()));
        let context = FlowContext {
            flow: flow.id.clone(),
            version: plan_for.version,
            node: plan_for.node.clone(),
            site: plan_for.site.clone(),
            run: plan_for.run,
            parameters: parameters_object(&parameters),
            variables: VariableNames::new(variables),
        };
        Ok(Self { context: Arc::new(context), figures: Arc::default(), modules, claims: checked.claims, flow })
    }

    /// Limits of the flow's scripts.
    pub fn script_options(&self) -> &ScriptOptions {
        &self.flow.options.script
    }

    /// Whether the flow can start by itself.
    pub fn has_inbound(&self) -> bool {
        self.modules.iter().any(|module| module.kind.direction() == Direction::Inbound)
    }
}

fn connections_of(flow: &Flow, from: &ModuleId, port: &str) -> Vec<PlannedConnection> {
    let leaving = flow.connections.iter().filter(|connection| connection.from == *from && connection.port() == port);
    leaving
        .filter_map(|connection| {
            let to = flow.modules.get_index_of(&connection.to)?;
            Some(PlannedConnection { to, route: connection.route.clone(), figures: Arc::default() })
        })
        .collect()
}

fn parameters_object(parameters: &IndexMap<Text, serde_json::Value>) -> Object {
    parameters
        .iter()
        .map(|(name, value)| {
            let value: Value = serde_json::from_value(value.clone()).unwrap_or_default();
            (name.clone(), value)
        })
        .collect()
}
