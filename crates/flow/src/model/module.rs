//! One step of a flow, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::QueueSpec;

/// One step of a flow. What it does is its type; how, its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleSpec {
    /// The module type, as in `mqtt-sub-broker`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What people call this step; its id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A disabled module passes nothing on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// What to do when the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// What waits before the step, for steps that wait on the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueSpec>,
    /// Whether an error of this step stops the flow, to be restarted by the node.
    #[serde(default, skip_serializing_if = "is_false")]
    pub halt_on_error: bool,
    /// The settings of the type; parameters stand in them as `{{name}}`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub with: serde_json::Map<String, serde_json::Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How often a failed step is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySpec {
    /// Tries after the first; 0 means none.
    pub max: u32,
    /// Milliseconds before the second try; doubled for each further one, with jitter.
    pub delay_ms: u64,
    /// Milliseconds that a delay grows to at most.
    pub delay_max_ms: u64,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self { max: 0, delay_ms: 1_000, delay_max_ms: 60_000 }
    }
}

/// What an error brings to a halt, and whether the node starts the flow again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltScope {
    /// The flow stops and stays stopped: `halt_on_error` of the flow.
    Flow,
    /// The flow stops and the node restarts it: `halt_on_error` of the module.
    Module,
}
