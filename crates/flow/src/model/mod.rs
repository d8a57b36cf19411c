//! A flow as a person describes it: written form, with optional fields. What is missing has its default here and nowhere below.

mod connection;
mod flow;
mod module;
mod options;
mod parameter;
mod variable;

pub use connection::{Connection, PortName};
pub use flow::{Flow, Point};
pub use module::{HaltScope, ModuleSpec, RetrySpec};
pub use options::{FlowOptions, QueueFull, QueueSpec, ScriptOptions};
pub use parameter::{Parameter, ParameterType};
pub use variable::{Variable, VariableType};
