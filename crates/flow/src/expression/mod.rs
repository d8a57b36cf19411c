//! Conditions, expressions and the plainest of scripts: JavaScript over `message`, `context` and the declared variables.
//!
//! The common forms are compiled to a tree that is evaluated in tens of nanoseconds, with exactly the results of
//! JavaScript; all others, and each case that the tree does not settle, go to the script engine.

mod assignments;
mod check;
mod condition;
#[cfg(test)]
mod differential;
mod evaluate;
mod free_names;
mod names;
mod number_text;
mod operand;
mod parse;
mod problem;
mod scope;
mod token;
mod tree;

pub(crate) use assignments::{Assignments, Surroundings};
pub use check::{check_condition, check_expression, check_script};
pub use condition::{Condition, Expression};
pub use names::is_bare_name;
#[cfg(test)]
pub(crate) use names::is_global;
pub(crate) use names::is_symbol;
pub(crate) use operand::number_to_value;
pub use problem::{Place, SourceProblem};
pub(crate) use scope::Evaluation;
pub use scope::Scope;
