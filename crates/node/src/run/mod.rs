//! A node as a whole: everything is opened in order, joined, and closed again.

mod addresses;
mod ground;
mod logs;
mod notify;
mod running;
mod start;

pub use addresses::Addresses;
pub(crate) use addresses::reachable;
pub use logs::LogsError;
pub use running::RunningNode;
pub(crate) use start::catalog;
pub use start::{StartError, start};
