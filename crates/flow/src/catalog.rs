//! The module types that a node offers.

use crate::module::ModuleKind;

/// The module types of a node: those of this crate, and those that talk to the world.
#[derive(Clone, Default)]
pub struct Catalog {
    kinds: Vec<&'static dyn ModuleKind>,
}

impl Catalog {
    /// Joins lists of module types, in the order of the toolbox.
    pub fn new(lists: &[&[&'static dyn ModuleKind]]) -> Self {
        Self { kinds: lists.concat() }
    }

    /// The module type with this name.
    pub fn find(&self, type_name: &str) -> Option<&'static dyn ModuleKind> {
        self.kinds.iter().copied().find(|kind| kind.type_name() == type_name)
    }

    /// All module types, in the order of the toolbox.
    pub fn kinds(&self) -> &[&'static dyn ModuleKind] {
        &self.kinds
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.kinds.iter().map(|kind| kind.type_name())).finish()
    }
}
