//! An arrow between two modules.

use message::{ModuleId, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names an output of a module: `out` is every module's first, `error` takes what failed.
pub type PortName = Text;

/// Passes execution from one module to the next when its condition is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The module that the arrow leaves.
    #[schemars(with = "String")]
    pub from: ModuleId,
    /// Which of its outputs: `out`, `error`, or one that the module's settings name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub port: Option<PortName>,
    /// The module that the arrow leads to.
    #[schemars(with = "String")]
    pub to: ModuleId,
    /// JavaScript that sets `route`, or a bare expression; always taken when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

impl Connection {
    /// The name of every module's first output.
    pub const OUT: &'static str = "out";
    /// The output that takes what failed, if a connection leaves it.
    pub const ERROR: &'static str = "error";

    /// The output that the arrow leaves.
    pub fn port(&self) -> &str {
        self.port.as_deref().unwrap_or(Self::OUT)
    }
}
