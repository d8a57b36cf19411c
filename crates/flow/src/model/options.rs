//! How the flow as a whole behaves.

use message::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of the whole flow; every one has a default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowOptions {
    /// Any module's error stops the flow, and it is not restarted.
    pub halt_on_error: bool,
    /// What waits at the flow's entrance.
    pub queue: QueueSpec,
    /// Limits of the flow's scripts and route conditions.
    pub script: ScriptOptions,
}

impl FlowOptions {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A bounded queue and what happens when it is full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSpec {
    /// Messages that may wait, 1 to 100,000.
    #[schemars(range(min = 1, max = 100_000))]
    pub max: u32,
    /// What happens to a message that finds the queue full.
    pub when_full: QueueFull,
}

impl Default for QueueSpec {
    fn default() -> Self {
        Self { max: limits::FLOW_QUEUE_MESSAGES as u32, when_full: QueueFull::default() }
    }
}

/// What happens to a message that finds a queue full. Every drop is counted and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueFull {
    /// The sender waits: nothing is lost, the pressure goes up to the source.
    #[default]
    Wait,
    /// The newest waiting message makes room.
    DropNewest,
    /// The oldest waiting message makes room.
    DropOldest,
    /// The message itself is dropped.
    DropWrite,
}

/// Limits of a flow's scripts and route conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptOptions {
    /// Milliseconds that one run may take, 1 to 60,000.
    #[schemars(range(min = 1, max = 60_000))]
    pub time_max_ms: u64,
    /// MiB of heap for all scripts of the flow, 1 to 1,024.
    #[schemars(range(min = 1, max = 1_024))]
    pub heap_max_mib: u64,
}

impl Default for ScriptOptions {
    fn default() -> Self {
        Self {
            time_max_ms: limits::SCRIPT_TIME_MAX.as_millis() as u64,
            heap_max_mib: (limits::SCRIPT_HEAP_BYTES_MAX / (1024 * 1024)) as u64,
        }
    }
}
