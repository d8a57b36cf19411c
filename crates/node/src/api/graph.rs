//! How flows are joined: by topics, endpoints, stores and databases, and with the world outside. What the picture holds
//! is for [`flow::graph`] to say; here it is written for the API.

use axum::Json;
use axum::extract::State;
use flow::graph::{self, FlowTouches};
use serde::Serialize;

use super::ApiState;
use crate::run::reachable;

/// A two-sided picture: flows, and the junctions that they meet in. Edges run with the data.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Graph {
    flows: Vec<GraphFlow>,
    junctions: Vec<Junction>,
    edges: Vec<Edge>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct GraphFlow {
    /// `flow:` and the flow's id.
    id: String,
    flow: String,
    title: String,
    /// `running`, `stopped`, `restarting` or `failed`.
    status: &'static str,
}

/// Something that flows meet in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Junction {
    /// The kind and the name, as in `topic:factory/+/alarm`.
    id: String,
    /// `topic`, `endpoint`, `store`, `memory-store`, `database` or `outside`.
    #[schema(value_type = String)]
    kind: graph::JunctionKind,
    /// What people call it: a topic filter, a verb with a path, a store's name, a URL.
    label: String,
    /// `unread`: no flow reads what is written here. `unfed`: no flow writes what is read here.
    #[schema(value_type = Option<String>)]
    loose: Option<graph::LooseEnd>,
}

/// Data that moves between a flow and a junction.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Edge {
    /// The id of a flow or a junction.
    from: String,
    /// The id of a junction or a flow.
    to: String,
    /// The modules of the flow that move the data.
    modules: Vec<String>,
}

/// Says how the deployed flows are joined.
#[utoipa::path(get, path = "/api/v1/graph", tag = "flows", responses((status = 200, body = Graph)))]
pub(super) async fn graph(State(api): State<ApiState>) -> Json<Graph> {
    let states = api.library.states();
    let touches = states.iter().map(|state| FlowTouches {
        id: &state.id,
        title: state.plan.flow.title(),
        claims: &state.plan.claims,
    });
    let endpoints = reachable(api.addresses.endpoints);
    let own_endpoints = [endpoints.to_string(), format!("localhost:{}", endpoints.port())];
    let picture = graph::graph(touches, &own_endpoints);
    let status_of = |id: &message::FlowId| {
        states.iter().find(|state| state.id == *id).map_or("", |state| state.condition.status.name())
    };
    let flows = picture.flows.into_iter().map(|flow| GraphFlow {
        status: status_of(&flow.flow),
        id: flow.id,
        flow: flow.flow.to_string(),
        title: flow.title,
    });
    Json(Graph {
        flows: flows.collect(),
        junctions: picture.junctions.into_iter().map(Junction::from).collect(),
        edges: picture.edges.into_iter().map(Edge::from).collect(),
    })
}

impl From<graph::Junction> for Junction {
    fn from(graph::Junction { id, kind, label, loose }: graph::Junction) -> Self {
        Self { id, kind, label, loose }
    }
}

impl From<graph::Edge> for Edge {
    fn from(graph::Edge { from, to, modules }: graph::Edge) -> Self {
        Self { from, to, modules: modules.iter().map(ToString::to_string).collect() }
    }
}
