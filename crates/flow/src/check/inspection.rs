//! What the rules look at: the flow with its parameters put in and its settings read, once for all rules.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use message::{ModuleId, Text};
use serde_json::{Map, Value as Json};

use super::{Claim, Problem, SubstituteError, resolve_parameters, substitute};
use crate::Catalog;
use crate::model::{Connection, Flow, ModuleSpec, PortName};
use crate::module::{Direction, ModuleKind, ParsedSettings, SettingsError};

/// A flow as the rules see it.
pub(super) struct Inspection<'a> {
    pub(super) flow: &'a Flow,
    pub(super) catalog: &'a Catalog,
    pub(super) overrides: &'a BTreeMap<String, Json>,
    /// The names of the declared variables.
    pub(super) variables: Vec<Text>,
    pub(super) modules: IndexMap<&'a ModuleId, InspectedModule<'a>>,
}

/// A module as the rules see it.
pub(super) struct InspectedModule<'a> {
    pub(super) spec: &'a ModuleSpec,
    /// `None` when the catalog has no such type.
    pub(super) kind: Option<&'static dyn ModuleKind>,
    /// The settings with the parameters put in.
    pub(super) with: Result<Map<String, Json>, Vec<SubstituteError>>,
    /// What the module type makes of the settings; `None` when type or parameters are wrong already.
    pub(super) settings: Option<Result<ParsedSettings, SettingsError>>,
}

impl InspectedModule<'_> {
    /// The outputs, if the settings are good enough to tell.
    pub(super) fn ports(&self) -> Option<Vec<PortName>> {
        let settings = self.settings.as_ref()?.as_ref().ok()?;
        Some(self.kind?.ports(settings))
    }

    pub(super) fn is_inbound(&self) -> bool {
        self.kind.is_some_and(|kind| kind.direction() == Direction::Inbound)
    }
}

impl<'a> Inspection<'a> {
    pub(super) fn new(flow: &'a Flow, catalog: &'a Catalog, overrides: &'a BTreeMap<String, Json>) -> Self {
        let parameters = resolve_parameters(flow, overrides);
        let inspect = |spec: &'a ModuleSpec| {
            let kind = catalog.find(&spec.type_name);
            let with = substitute(&spec.with, &parameters);
            let settings = kind.and_then(|kind| with.as_ref().ok().map(|with| kind.parse(with)));
            InspectedModule { spec, kind, with, settings }
        };
        Self {
            flow,
            catalog,
            overrides,
            variables: flow.variables.keys().cloned().collect(),
            modules: flow.modules.iter().map(|(id, spec)| (id, inspect(spec))).collect(),
        }
    }

    /// The connections between enabled modules that exist, each with the places of its two ends.
    pub(super) fn live_connections(&self) -> impl Iterator<Item = (usize, usize, &'a Connection)> {
        let enabled = |id: &ModuleId| {
            let (place, _, module) = self.modules.get_full(id)?;
            (!module.spec.disabled).then_some(place)
        };
        self.flow
            .connections
            .iter()
            .filter_map(move |connection| Some((enabled(&connection.from)?, enabled(&connection.to)?, connection)))
    }
}

/// What the rules have found so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) claims: Vec<(ModuleId, Claim)>,
    /// The modules that pass on later or less than they take in.
    pub(super) brakes: BTreeSet<ModuleId>,
}

impl Findings {
    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}
