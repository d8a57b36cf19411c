//! The HTTP endpoints that flows open, on a listener of their own. A path is there only while its flow runs.
//!
//! A request waits in the bounded queue of its endpoint until the flow takes it, and its caller waits for the answer
//! that the flow gives by the request's id, or for the timeout.

mod answers;
mod endpoint;
mod handle;
mod pattern;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use handle::handler;
pub use table::{EndpointSet, EndpointTable};
