//! What survives power loss: [`spool`], one log for all durable sessions and queues; [`stream`], a log for
//! each stream; [`table`], small durable tables over
//! redb. [`examine`] looks at logs and repairs them. [`log`] is what logs are made of, [`disk`] what they are written to.
//!
//! This crate opens files and runs one thread for its logs and one for each table file, so it is no pure crate; time still
//! comes in from outside, and it names neither sockets nor a runtime: who waits for a write is woken as any executor wakes.

mod destination;
pub mod disk;
pub mod examine;
pub mod log;
mod revision;
pub mod spool;
pub mod stream;
pub mod table;
#[cfg(test)]
mod tests;
mod wakers;

pub use destination::{DestinationLimits, Durability, FullPolicy};
pub use revision::{Revision, RevisionMark, Turn};
