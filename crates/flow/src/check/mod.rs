//! Finding what is wrong with a flow before it runs: all problems at once, each with its place and what to do.
//!
//! One rule family stands in one file and in the list [`RULES`]. What lies between flows is in `conflicts`.

mod checker;
mod conflicts;
mod connections;
mod cycles;
mod endpoints;
mod inspection;
mod json_path;
mod layout;
mod nearest;
mod options;
mod overlap;
mod parameters;
mod problem;
mod reach;
mod routes;
mod serde_words;
mod settings;
mod size;
mod stores;
mod templates;
mod variables;
mod writable;

#[cfg(test)]
pub(crate) mod test_catalog;

use std::collections::BTreeMap;

use message::ModuleId;

pub use checker::{Checker, Claim};
pub use conflicts::{FlowClaims, conflicts};
pub use parameters::{SubstituteError, resolve_parameters, substitute};
pub use problem::{Place, Problem, Severity};

pub(crate) use endpoints::{trim_path, verbs_meet};
pub(crate) use json_path::remove_from_json;
pub(crate) use overlap::overlap;
pub(crate) use serde_words::explain;

use crate::Catalog;
use crate::model::Flow;
use inspection::{Findings, Inspection};

type Rule = fn(&Inspection<'_>, &mut Findings);

/// Every rule, in the order in which a person reads a flow file. Later rules may use what earlier ones found out.
const RULES: &[Rule] = &[
    options::check,
    parameters::check,
    variables::check,
    settings::check,
    templates::check,
    endpoints::check,
    stores::check,
    connections::check,
    routes::check,
    cycles::check,
    reach::check,
    layout::check,
    writable::check,
];

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checked {
    /// Everything that is wrong, in the order of the flow file by rule. Warnings do not keep the flow from running.
    pub problems: Vec<Problem>,
    /// What the enabled modules touch outside of the flow, in the order of the modules.
    pub claims: Vec<(ModuleId, Claim)>,
}

impl Checked {
    /// Whether the flow can run.
    pub fn is_runnable(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

/// Finds everything that is wrong with a flow by itself, with `overrides` as this node's values of its parameters.
pub fn check(flow: &Flow, catalog: &Catalog, overrides: &BTreeMap<String, serde_json::Value>) -> Checked {
    // A flow beyond its limits is not looked into: what follows takes time by the number of modules.
    let oversized = size::check(flow);
    if !oversized.is_empty() {
        return Checked { problems: oversized, claims: Vec::new() };
    }
    let inspection = Inspection::new(flow, catalog, overrides);
    let mut findings = Findings::default();
    for rule in RULES {
        rule(&inspection, &mut findings);
    }
    Checked { problems: findings.problems, claims: findings.claims }
}
