//! What the node says of a flow.

use std::sync::Arc;
use std::time::Duration;

use flow::plan::Plan;
use message::{FlowId, Timestamp};

/// How a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowStatus {
    /// Runs.
    Running,
    /// Was stopped by a person, or never deployed.
    Stopped,
    /// Crashed and will be started again.
    Restarting,
    /// Stopped by an error and not started again.
    Failed,
}

impl FlowStatus {
    /// The word that stands in topics and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        }
    }
}

/// How a flow is, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FlowCondition {
    pub status: FlowStatus,
    /// Why, in words; empty when all is well.
    pub text: String,
    pub since: Timestamp,
}

/// A flow as it runs, or ran last.
#[derive(Debug, Clone)]
pub struct FlowState {
    pub id: FlowId,
    /// The deployed version.
    pub version: u64,
    pub condition: FlowCondition,
    /// Crashes since the node started.
    pub crashes: u64,
    /// CPU time that the running version has used.
    pub cpu: Duration,
    /// Messages that wait in the flow's mailboxes.
    pub waiting: usize,
    /// Messages that were dropped because the flow's mailboxes were full.
    pub dropped: u64,
    /// The plan that runs, with its model, claims and figures.
    pub plan: Arc<Plan>,
}
