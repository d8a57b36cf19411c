//! A whole node under a fake clock and a fake network: one seed, one story.
//!
//! What is real: the MQTT codec and machines, the node's client that joins them to the broker, router, sessions, and the
//! flow engine with its modules and scripts. What is fake: the clock, the transport, the devices, and the services that
//! flows ask for. A node may have a disk, simulated, and crash. All runs on one thread; whose turn it is, how bytes are cut and how long they take is drawn from the
//! seed, so that a seed tells the same story each time. `README.md` says how to read and replay one.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a simulation tells what went wrong by panicking")]

mod chance;
mod clock;
mod device;
mod flag;
mod flow_run;
mod ground;
mod ledger;
mod link;
mod pipe;
mod queue;
pub mod services;
mod simulation;
pub mod story;
mod trace;

pub use chance::Chance;
pub use clock::Clock;
pub use device::DeviceOptions;
pub use ground::Crash;
pub use link::{Loss, Weather};
pub use simulation::{Device, Simulation};
pub use trace::Trace;
