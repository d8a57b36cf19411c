//! A node as a whole: everything is opened in order, joined, and closed again.

mod addresses;
mod failures;
mod ground;
mod logs;
mod memory;
mod notify;
mod open_files;
mod running;
mod start;

pub use addresses::Addresses;
pub(crate) use addresses::reachable;
pub use logs::LogsError;
pub(crate) use open_files::raise_open_files_limit;
pub use running::RunningNode;
pub(crate) use start::catalog;
pub use start::{StartError, start};
