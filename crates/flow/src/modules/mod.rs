//! The modules that need nothing but the node's own services, a file each, and the one list of them.

use crate::module::ModuleKind;

/// Every module of this crate, in the order of the toolbox.
pub const MODULES: &[&dyn ModuleKind] = &[];
