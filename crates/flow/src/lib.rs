//! Flows: how they are described (`model`), checked (`check`), made ready (`build`) and run (`run`); route conditions and
//! scripts (`expression`, `script`); and the modules that need nothing but the node's own services (`modules`).
//!
//! Everything but `script` is pure: time comes in, what a module asks of its node goes through `services`.

pub mod build;
mod catalog;
pub mod check;
pub mod expression;
pub mod model;
pub mod module;
pub mod modules;
pub mod run;
pub mod script;
pub mod services;
mod template;

pub use catalog::Catalog;
pub use template::{Template, TemplateError};
