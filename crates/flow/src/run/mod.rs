//! Flows at work: itineraries walk through the modules of one flow version.

mod context;
mod emitter;
mod figures;
mod itinerary;
mod receipt;
mod variables;
mod worker;

pub use context::{FlowContext, ItineraryId, Source};
pub use emitter::Emitter;
pub use figures::{ConnectionFigures, FlowFigures, Histogram, ModuleFigures};
pub use itinerary::Itinerary;
pub use receipt::{Outcome, Receipt, break_down};
pub use variables::{VariableError, VariableNames, Variables};
pub use worker::{Halt, Progress, Worker, WorkerError};
