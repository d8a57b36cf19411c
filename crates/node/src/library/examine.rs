//! Examining a flow before it runs: by itself and beside the flows that run.

use std::sync::Arc;

use flow::check::{self, FlowClaims, Place, Problem};
use flow::model::Flow;
use message::FlowId;

use super::{FlowLibrary, FlowText};

/// What an examination has found.
#[derive(Debug)]
pub(crate) struct Examined {
    /// `None` when the text describes no flow.
    pub(crate) flow: Option<Arc<Flow>>,
    pub(crate) problems: Vec<Problem>,
}

impl Examined {
    /// Whether the flow can run.
    pub(crate) fn is_runnable(&self) -> bool {
        self.flow.is_some() && !self.problems.iter().any(Problem::is_error)
    }
}

impl FlowLibrary {
    /// Finds everything that is wrong with a flow. `id`, if given, is the one that it must have.
    pub(crate) fn examine(&self, text: &FlowText, id: Option<&FlowId>) -> Examined {
        let flow = match text.read() {
            Ok(flow) => Arc::new(flow),
            Err(problems) => return Examined { flow: None, problems },
        };
        if let Some(id) = id
            && flow.id != *id
        {
            let what = format!("the flow is called `{}`, not `{id}`", flow.id);
            let problem =
                Problem::error(Place::flow("id"), what, format!("write id = \"{id}\", or use the other address"));
            return Examined { flow: None, problems: vec![problem] };
        }
        let mut checked = check::check(&flow, &self.catalog, &self.overrides(&flow.id));
        let plans: Vec<_> = self.host.list().into_iter().map(|state| state.plan).collect();
        let others = plans.iter().map(|plan| FlowClaims { flow: &plan.flow.id, claims: &plan.claims });
        let candidate = FlowClaims { flow: &flow.id, claims: &checked.claims };
        checked.problems.extend(check::conflicts(candidate, others));
        Examined { flow: Some(flow), problems: checked.problems }
    }
}
