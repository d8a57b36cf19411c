//! The engine: what becomes of itineraries on their walk through a flow, driven by hand under a fake clock.

#[path = "../../src/modules/harness.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared with the tests of the modules"
)]
mod harness;

#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test bench: what goes wrong is a failed test"
)]
mod bench;
mod failures;
mod queues;
mod routing;
mod timing;
