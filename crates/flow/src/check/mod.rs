//! Finding what is wrong with a flow before it runs: all problems at once, each with its place and what to do.

mod checker;
mod problem;

pub use checker::{Checker, Claim};
pub use problem::{Place, Problem};
