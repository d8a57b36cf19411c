//! One thing that is wrong with a flow, as the API writes it.

use serde::{Deserialize, Serialize};

/// One thing that is wrong with a flow, where it is, and what to do.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct FlowProblem {
    /// The place in words, as in `modules.plc.with.topic`.
    pub(crate) at: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do; may be empty.
    pub(crate) hint: String,
    /// The place for machines.
    #[schema(value_type = Object)]
    pub(crate) place: serde_json::Value,
}

impl From<&flow::check::Problem> for FlowProblem {
    fn from(problem: &flow::check::Problem) -> Self {
        Self {
            at: problem.at.to_string(),
            what: problem.what.clone(),
            hint: problem.hint.clone(),
            place: serde_json::to_value(&problem.at).unwrap_or_default(),
        }
    }
}
