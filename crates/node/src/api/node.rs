//! The node at a glance: what it is, where it listens, how much goes through it.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::ApiState;
use super::metrics::{Usage, usage};
use crate::clock;

/// The node at a glance.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NodeInfo {
    name: String,
    version: &'static str,
    /// Seconds since the start.
    uptime_s: f64,
    listeners: ListenersInfo,
    broker: BrokerInfo,
    process: Usage,
}

/// Where the node listens, as `IP:PORT`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ListenersInfo {
    mqtt: String,
    mqtt_ws: String,
    web: String,
    endpoints: String,
}

/// What the broker has counted since the start.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct BrokerInfo {
    messages_received: u64,
    messages_sent: u64,
    messages_dropped: u64,
    subscriptions: u64,
    retained_messages: u64,
    /// MQTT connections open now.
    connections: u64,
}

/// Says what the node is and how much goes through it.
#[utoipa::path(get, path = "/api/v1/node", tag = "node", responses((status = 200, body = NodeInfo)))]
pub(super) async fn node(State(api): State<ApiState>) -> Json<NodeInfo> {
    let figures = api.router.figures();
    let addresses = api.addresses;
    Json(NodeInfo {
        name: api.config.node.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: clock::moment().as_nanos() as f64 / 1e9,
        listeners: ListenersInfo {
            mqtt: addresses.mqtt.to_string(),
            mqtt_ws: addresses.mqtt_ws.to_string(),
            web: addresses.web.to_string(),
            endpoints: addresses.endpoints.to_string(),
        },
        broker: BrokerInfo {
            messages_received: figures.messages_received,
            messages_sent: figures.messages_sent,
            messages_dropped: figures.dropped.iter().sum(),
            subscriptions: figures.subscriptions,
            retained_messages: figures.retained_messages,
            connections: api.mqtt.figures.open.load(Ordering::Relaxed),
        },
        process: usage(),
    })
}
