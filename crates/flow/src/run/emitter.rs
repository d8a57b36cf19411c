//! What a module passes on in one call.

use super::Itinerary;

/// Collects what a module passes on, in order, with the output that each leaves by.
#[derive(Debug, Default)]
pub struct Emitter {
    passed: Vec<(usize, Itinerary)>,
}

impl Emitter {
    /// Passes on by the first output, `out`.
    pub fn emit(&mut self, itinerary: Itinerary) {
        self.passed.push((0, itinerary));
    }

    /// Passes on by the output at `port`, counted in the order of the module's ports.
    pub fn emit_to(&mut self, port: usize, itinerary: Itinerary) {
        self.passed.push((port, itinerary));
    }

    /// What was passed on so far, for the engine and for tests.
    pub fn drain(&mut self) -> std::vec::Drain<'_, (usize, Itinerary)> {
        self.passed.drain(..)
    }

    pub fn is_empty(&self) -> bool {
        self.passed.is_empty()
    }

    pub fn len(&self) -> usize {
        self.passed.len()
    }
}
