//! The node as its users meet it: the real binary, driven by mosquitto's clients and curl. A file per behaviour; nothing
//! here links against the node.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod curl;
mod database;
mod flow_text;
mod mosquitto;
mod neighbour;
mod node;
mod patience;
#[expect(dead_code, reason = "these files use a part of it")]
#[path = "../harness/syncs.rs"]
mod syncs;
mod web_server;

mod broken_clients;
mod check_before_deploy;
mod dead_host;
mod drain_at_the_end;
mod durable;
mod examples;
mod failing_disk;
mod flow_folder;
mod full_disk;
mod hot_deploy;
mod http_endpoints;
mod isolation;
mod restart;
mod retained;
mod routing;
mod sessions;
mod state_topics;
mod stuck_scripts;
