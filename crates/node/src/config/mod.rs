//! The configuration of a node: written as TOML files, environment variables and `--set` arguments (every key optional),
//! resolved to one complete [`Config`]. Nothing below this folder sees a default.

mod keys;
mod layers;
mod load;
mod origin;
mod problem;
mod resolved;
mod rules;
mod schema;
mod show;
#[cfg(test)]
mod tests;

pub use crate::destinations::{DurabilityWord, PolicyWord, QueueSettings, StreamSettings};
pub use layers::Argument;
pub use load::{Loaded, Sources, load};
pub use origin::Origin;
pub use problem::ConfigProblem;
pub use resolved::{
    Config, EndpointsListener, FlowOverrides, Limits, Listeners, Log, LogFormat, MailboxDrops, MqttListener,
    MqttWebSocketListener, NodeSettings, SessionDurability, SessionSettings, WebListener,
};
pub(crate) use rules::is_remote;
pub use schema::config_schema;
pub use show::{example_file, show_json, show_text};
