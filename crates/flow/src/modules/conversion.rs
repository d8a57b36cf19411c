//! The step of all modules that make one part of the message of another.

use message::{Now, Value};

use super::message_part::MessagePart;
use crate::module::{Failure, Step};
use crate::run::{Emitter, Itinerary};

/// Reads `source`, converts it, puts the result at `target`. A part that is missing or cannot be converted is a failure.
pub(super) struct Conversion<F> {
    pub(super) source: MessagePart,
    pub(super) target: MessagePart,
    pub(super) convert: F,
}

impl<F: FnMut(&Value) -> Result<Value, String>> Conversion<F> {
    fn apply(&mut self, message: &mut Value) -> Result<(), String> {
        let source = &self.source;
        let value = source.read(message).ok_or_else(|| format!("the message has no `{source}`"))?;
        let converted = (self.convert)(value).map_err(|what| format!("`{source}` {what}"))?;
        self.target.write(message, converted).map_err(|error| error.to_string())
    }
}

impl<F: FnMut(&Value) -> Result<Value, String>> Step for Conversion<F> {
    fn process(&mut self, _: Now, mut itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        match self.apply(&mut itinerary.message) {
            Ok(()) => {
                out.emit(itinerary);
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }
}
