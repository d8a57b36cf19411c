//! Modules that talk to the world outside of the node: HTTP servers and databases. A file each, and the one list of them.
//!
//! They run on their flow's thread within a tokio runtime; what blocks has a thread of its own (`database`).

mod database;
mod http_client;
mod http_credential;
mod http_request;
mod sql_execute;
mod sql_insert;
mod sql_select;
mod sql_settings;

#[cfg(test)]
#[path = "../../flow/src/modules/harness.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with `flow`, which uses all of it")]
mod harness;

use flow::module::{ModuleKind, Of};

/// Every module of this crate, in the order of the toolbox.
pub const MODULES: &[&dyn ModuleKind] = &[
    &Of::<http_request::HttpRequest>::new(),
    &Of::<sql_select::SqlSelect>::new(),
    &Of::<sql_insert::SqlInsert>::new(),
    &Of::<sql_execute::SqlExecute>::new(),
];
