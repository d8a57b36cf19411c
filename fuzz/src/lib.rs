//! Fuzz targets: each is a plain function that takes any bytes and panics when the product does what it must not.
//! [`TARGETS`] is the one list of them; the smoke test, the driver in `main.rs` and any other fuzzer take them from it.

#![expect(clippy::panic, reason = "a target tells what it has found by panicking")]

mod input;
mod mutate;
mod targets;

pub use mutate::Mutator;
pub use targets::TARGETS;

/// One fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Names it on the command line; the file below `targets/` bears the same name.
    pub name: &'static str,
    /// What it holds the product to.
    pub what: &'static str,
    /// Panics when it has found something.
    pub run: fn(&[u8]),
    /// What mutation begins with: small, and each a form of its own.
    pub seeds: &'static [&'static [u8]],
}

/// The target with this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
