//! How flows are joined, from what their modules touch: a two-sided picture of flows on one side and what they meet
//! in on the other (topics, HTTP endpoints, stores, databases, the world outside). An edge always runs with the data.
//!
//! This knows what flows say, not what clients do: a topic may well be read by a dashboard.

mod junctions;
mod url;

use message::{FlowId, ModuleId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::check::Claim;
use junctions::Junctions;

/// A flow as it goes into the picture.
#[derive(Debug, Clone, Copy)]
pub struct FlowTouches<'a> {
    pub id: &'a FlowId,
    pub title: &'a str,
    pub claims: &'a [(ModuleId, Claim)],
}

/// How flows are joined. Everything is sorted, so that the same flows always give the same picture.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Graph {
    pub flows: Vec<GraphFlow>,
    pub junctions: Vec<Junction>,
    pub edges: Vec<Edge>,
}

/// A flow in the picture.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GraphFlow {
    /// `flow:` and the flow's id.
    pub id: String,
    #[schemars(with = "String")]
    pub flow: FlowId,
    pub title: String,
}

/// Something that flows meet in.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Junction {
    /// The kind and the name, as in `topic:factory/+/alarm`.
    pub id: String,
    pub kind: JunctionKind,
    /// What people call it: a topic filter, a verb with a path, a store's name, a URL.
    pub label: String,
    /// What is missing at it, as far as flows tell.
    pub loose: Option<LooseEnd>,
}

/// What flows can meet in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JunctionKind {
    /// A topic of the node's broker; `+` stands for levels that come from messages.
    Topic,
    /// An HTTP path that a flow opens on this node.
    Endpoint,
    /// A persistent key/value store, shared by all flows.
    Store,
    /// A key/value store in memory, private to one flow.
    MemoryStore,
    Database,
    /// A URL that a flow calls elsewhere.
    Outside,
}

/// One side that no flow takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LooseEnd {
    /// No flow reads what is written here, or no flow answers what is asked here.
    Unread,
    /// No flow writes what is read here.
    Unfed,
}

/// Data that moves between a flow and a junction.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Edge {
    /// The id of a flow or a junction in this picture.
    pub from: String,
    /// The id of a junction or a flow in this picture.
    pub to: String,
    /// The modules of the flow that move the data.
    #[schemars(with = "Vec<String>")]
    pub modules: Vec<ModuleId>,
}

/// Draws the picture. `own_endpoints` are the addresses, as in `127.0.0.1:9090`, by which this node's own endpoints are
/// called: a request to one of them joins two flows.
pub fn graph<'a>(flows: impl IntoIterator<Item = FlowTouches<'a>>, own_endpoints: &[String]) -> Graph {
    let mut flows: Vec<FlowTouches<'a>> = flows.into_iter().collect();
    flows.sort_by_key(|flow| flow.id);
    let mut junctions = Junctions::default();
    // What is written goes first: readers attach to what is there.
    for flow in &flows {
        junctions.add_written(flow);
    }
    for flow in &flows {
        junctions.add_read(flow);
    }
    for flow in &flows {
        junctions.add_requests(flow, own_endpoints);
    }
    let (junctions, edges) = junctions.finish();
    let flows = flows
        .iter()
        .map(|flow| GraphFlow { id: flow_id(flow.id), flow: flow.id.clone(), title: flow.title.to_owned() })
        .collect();
    Graph { flows, junctions, edges }
}

fn flow_id(flow: &FlowId) -> String {
    format!("flow:{flow}")
}

#[cfg(test)]
mod tests;
