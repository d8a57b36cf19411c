//! What the scenarios stand on: a codec and a client of their own, the servers under test, and the pool that runs them.

pub(crate) mod case;
pub(crate) mod client;
pub(crate) mod list;
pub(crate) mod pool;
pub(crate) mod properties;
pub(crate) mod read;
pub(crate) mod server;
pub(crate) mod transport;
pub(crate) mod write;

pub(crate) use case::Case;
pub(crate) use client::Client;
pub(crate) use read::{AckKind, Packet};
pub(crate) use write::{Body, Connect, Publish, Version, Will, packet, subscribe, unsubscribe};
