//! What is wrong with a flow, as the API writes it.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::http::Problem;
use crate::library::ChangeError;

/// One thing that is wrong with a flow, where it is, and what to do.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct FlowProblem {
    /// `error`: the flow cannot run. `warning`: it runs, but hardly as meant.
    pub(crate) severity: String,
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

impl FlowProblem {
    pub(crate) fn list(problems: &[flow::check::Problem]) -> Vec<Self> {
        problems.iter().map(Self::from).collect()
    }
}

impl From<&flow::check::Problem> for FlowProblem {
    fn from(problem: &flow::check::Problem) -> Self {
        Self {
            severity: if problem.is_error() { "error" } else { "warning" }.to_owned(),
            at: problem.at.to_string(),
            what: problem.what.clone(),
            hint: problem.hint.clone(),
            place: serde_json::to_value(&problem.at).unwrap_or_default(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoFlow(_) | ChangeError::NoVersion { .. } => Self::not_found(error),
            ChangeError::NoDraft(_) | ChangeError::NotDeployed(_) => Self::new(StatusCode::CONFLICT, error),
            ChangeError::Changed { .. } => Self::new(StatusCode::PRECONDITION_FAILED, error),
            ChangeError::Wrong(_, ref problems) => Self::wrong_flow(&error, FlowProblem::list(problems)),
            ChangeError::NotStarted { .. } => Self::wrong_flow(error, Vec::new()),
            ChangeError::NotRemembered { ref what, .. } => Self::from(what.clone()).with_detail(error),
            ChangeError::Read(error) => error.into(),
            ChangeError::Write(error) => error.into(),
        }
    }
}
