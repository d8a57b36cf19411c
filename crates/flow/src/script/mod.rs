//! JavaScript in QuickJS: one engine for each flow version, on the flow's own thread, within limits of heap, stack
//! and time, without access to anything outside the message at hand.
//!
//! Conditions and expressions of everyday form do not come here: see [`crate::expression`].

mod checker;
mod engine;
mod failure;
mod from_js;
mod function;
mod heartbeat;
mod host_object;
mod into_js;
mod log_lines;
mod program;
mod raw;
mod realm;
mod rejections;
#[cfg(test)]
mod tests;
mod wrapping;

pub(crate) use checker::{Syntax, check_syntax};
pub use engine::{ScriptEngine, ScriptLimits};
pub use failure::RunError;
pub(crate) use function::Function;
pub use heartbeat::{Heartbeat, Overrun};
pub use log_lines::LogLevel;
pub use program::{Outcome, Script, ScriptRun, ScriptScope};
