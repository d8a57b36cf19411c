//! The engine: what becomes of itineraries on their walk through a flow, driven by hand under a fake clock.

#[path = "../../src/modules/harness.rs"]
#[expect(dead_code, reason = "shared with the tests of the modules, which use more of it")]
mod harness;

mod bench;
mod failures;
mod queues;
mod routing;
mod timing;
