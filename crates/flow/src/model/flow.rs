//! The flow as a whole.

use indexmap::IndexMap;
use message::{FlowId, ModuleId, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Connection, FlowOptions, ModuleSpec, Parameter, Variable};

/// One flow: modules joined by connections, with variables and parameters. Logic and layout are apart,
/// so that moving a module never changes what runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Names the flow within its node; stands in URLs, topics and file names.
    #[schemars(with = "String")]
    pub id: FlowId,
    /// What people call it; the id when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How the flow as a whole behaves.
    #[serde(default, skip_serializing_if = "FlowOptions::is_default")]
    pub options: FlowOptions,
    /// Values that a node may override, bound to settings as `{{name}}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Parameter>")]
    pub parameters: IndexMap<Text, Parameter>,
    /// Values that each itinerary carries, readable and writable all the way.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Variable>")]
    pub variables: IndexMap<Text, Variable>,
    /// The steps, by id.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, ModuleSpec>")]
    pub modules: IndexMap<ModuleId, ModuleSpec>,
    /// The arrows between the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Connection>,
    /// Where each module stands on the canvas. Never looked at when the flow runs.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Point>")]
    pub layout: IndexMap<ModuleId, Point>,
}

/// A place on the canvas: x to the right, y downwards, in pixels at zoom 1.
pub type Point = [f64; 2];

impl Flow {
    /// What people call the flow.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }

    /// Whether `other` runs exactly the same: all but name, description and layout is equal.
    pub fn same_logic(&self, other: &Self) -> bool {
        self.id == other.id
            && self.options == other.options
            && self.parameters == other.parameters
            && self.variables == other.variables
            && self.modules == other.modules
            && self.connections == other.connections
    }
}
