//! Flows: how they are described (`model`), checked (`check`), made ready (`build`) and run (`run`); route conditions and
//! scripts (`expression`, `script`); and the modules that need nothing but the node's own services (`modules`).
//!
//! Everything but `script` is pure: time comes in, what a module asks of its node goes through `services`.

// The harness that modules are tried in is shared with `tests/`, where the crate is seen from outside.
#[cfg(test)]
extern crate self as flow;

pub mod build;
mod catalog;
pub mod check;
pub mod expression;
pub mod file;
pub mod graph;
pub mod model;
pub mod module;
pub mod modules;
pub mod plan;
pub mod run;
pub mod schema;
pub mod script;
pub mod services;
mod span;
mod template;
mod value_template;

pub use catalog::Catalog;
pub use span::Span;
pub use template::{Template, TemplateError};
pub use value_template::ValueTemplate;
