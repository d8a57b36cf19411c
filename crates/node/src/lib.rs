//! The node: configuration, command line, listeners, HTTP API, and the drive loops that join the pure crates with the
//! world. The binary `headwater` is [`cli::main`] and nothing more.

mod api;
pub mod cli;
pub mod clock;
pub mod config;
mod data_dir;
mod destinations;
pub mod endpoints;
pub mod flows;
mod http;
mod library;
mod log_limit;
pub mod mqtt;
#[cfg(test)]
mod published;
mod removed;
mod retained;
pub mod run;
mod scheduling;
mod sessions;
pub mod stores;
mod system_topics;
pub mod telemetry;
mod unknown;

pub use api::openapi_json;
