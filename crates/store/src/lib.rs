//! What survives power loss: [`table`], small durable tables over redb.
//!
//! This crate opens files and runs one thread per file, so it is no pure crate; time still comes in from outside,
//! and it names neither sockets nor a runtime: writes are plain futures that any executor can wait for.

mod destination;
pub mod table;

pub use destination::{DestinationLimits, Durability, FullPolicy};
