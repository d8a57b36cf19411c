//! Flows at work on this node: each version on a thread of its own, switched without losing a message, started again
//! after a crash, given up when it is stuck.

mod attachment;
mod backoff;
mod debug;
mod durable;
mod environment;
mod hand_over;
mod host;
mod overrun;
mod pulse;
mod shut_down;
mod state;
mod subscriptions;
mod thread;
mod watchdog;

pub use debug::DebugEntry;
pub use host::{FlowHost, HostParts};
pub use state::{FlowCondition, FlowState, FlowStatus};
