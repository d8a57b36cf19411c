//! What a module passes on in one call.

use std::fmt;

use super::Itinerary;
use crate::services::{Answer, ServiceError};

/// Collects what a module passes on, in order, with the output that each leaves by.
#[derive(Default)]
pub struct Emitter {
    passed: Vec<(usize, Itinerary)>,
    hold_backs: Vec<Answer<Result<(), ServiceError>>>,
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

    /// Asks the flow to take nothing new until `answer` is ready: what the module wrote to is full.
    pub fn hold_back(&mut self, answer: Answer<Result<(), ServiceError>>) {
        self.hold_backs.push(answer);
    }

    /// What was passed on so far, for the engine and for tests.
    pub fn drain(&mut self) -> std::vec::Drain<'_, (usize, Itinerary)> {
        self.passed.drain(..)
    }

    /// What the flow has to wait for, for the engine and for tests.
    pub fn take_hold_backs(&mut self) -> std::vec::Drain<'_, Answer<Result<(), ServiceError>>> {
        self.hold_backs.drain(..)
    }

    pub fn is_empty(&self) -> bool {
        self.passed.is_empty()
    }

    pub fn len(&self) -> usize {
        self.passed.len()
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("passed", &self.passed).finish_non_exhaustive()
    }
}
