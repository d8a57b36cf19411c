//! The contract of a module: what the designer shows of it, how its settings are checked, and what it does at work.
//!
//! A module is written as one file: a settings struct with doc comments (they become the JSON Schema, the designer's form
//! and the manual), an implementation of [`Module`], a struct that does the work, tests. It is then named in one list.
//! What holds for every module, and is tested for every one in that list:
//! - its example settings are accepted, an unknown key is refused by name;
//! - whatever the message is, `process` gives a result or a [`Failure`], never a panic;
//! - it never reads a clock: `now` comes in; what must happen later is said by `poll_timeout`.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::Context;

use message::{Moment, Now};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::model::PortName;
use crate::run::{Emitter, Itinerary};

/// Where a module stands in a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Starts itineraries; no connection leads into it.
    Inbound,
    /// Works on the message or the variables.
    Internal,
    /// Acts on the world; still passes its result on.
    Outbound,
}

/// A module type, with its settings typed. Implemented once per module on an empty struct.
pub trait Module: Sync + 'static {
    /// The type name that flow files use, as in `kv-get`.
    const TYPE: &'static str;
    const DIRECTION: Direction;
    /// What it does, in one sentence for the toolbox.
    const SUMMARY: &'static str;
    /// Example settings as TOML, for the manual and for the contract test.
    const EXAMPLE: &'static str;

    /// What a person sets; unknown keys must be refused (`deny_unknown_fields`).
    type Settings: DeserializeOwned + JsonSchema;

    /// The names of the outputs; the first is always `out`. Every module also has `error`, which is not listed.
    fn ports(_settings: &Self::Settings) -> Vec<PortName> {
        vec![PortName::new_static("out")]
    }

    /// Finds what is wrong with the settings beyond their types, and says what the module touches
    /// (topics, paths, stores), by which flows are joined and conflicts are found.
    fn check(_settings: &Self::Settings, _checker: &mut Checker<'_>) {}

    /// Makes the module ready for work, on the thread of its flow.
    fn build(settings: Self::Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError>;
}

/// A module made ready for work.
pub enum Built {
    Inbound(Box<dyn Inbound>),
    /// Answers at once.
    Step(Box<dyn Step>),
    /// Waits on the world.
    Waiting(Box<dyn WaitingStep>),
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound(_) => "Inbound",
            Self::Step(_) => "Step",
            Self::Waiting(_) => "Waiting",
        })
    }
}

/// A source of itineraries.
pub trait Inbound {
    /// Puts up to `room` new itineraries into `arrivals`. When there is none, registers the waker of `cx` so that the
    /// flow is woken by the next. Called again after a wake, after `poll_timeout` has passed, and when there is room again.
    fn poll_arrivals(&mut self, cx: &mut Context<'_>, now: Now, room: usize, arrivals: &mut Vec<Itinerary>);

    /// When to be called again without a wake; `None` for sources that wake.
    fn poll_timeout(&self) -> Option<Moment> {
        None
    }

    /// Takes nothing new from the world from now on. What it already holds still comes out by `poll_arrivals`.
    fn close(&mut self) {}

    /// Whether, once closed, nothing more will come.
    fn is_drained(&self) -> bool {
        true
    }
}

/// A step that answers at once.
pub trait Step {
    /// Works on one itinerary and passes on none, one or many. A failure gives the itinerary back, to go on as failed.
    fn process(&mut self, now: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure>;

    /// When `handle_timeout` wants to be called: for windows and batches that end by time.
    fn poll_timeout(&self) -> Option<Moment> {
        None
    }

    /// Passes on what is due by `now`.
    fn handle_timeout(&mut self, _now: Now, _out: &mut Emitter) {}

    /// Passes on what is still held, when the flow is drained before it stops.
    fn drain(&mut self, _now: Now, _out: &mut Emitter) {}
}

/// A step that waits on the world: network, database, durable store. The engine keeps a bounded number of its
/// futures under way and passes results on in the order in which their itineraries came.
pub trait WaitingStep {
    /// Begins the work on one itinerary.
    fn begin(&mut self, now: Now, itinerary: Itinerary) -> Waiting;

    /// How many may be under way at once.
    fn in_flight_max(&self) -> usize {
        1
    }
}

/// Work under way: ends with what is passed on, by output, or with a failure that gives the itinerary back.
pub type Waiting = Pin<Box<dyn Future<Output = Result<Vec<(usize, Itinerary)>, Failure>>>>;

/// A step that failed: the itinerary goes on with `headwater: { success: false, message }`.
#[derive(Debug)]
pub struct Failure(Box<(Itinerary, String)>);

impl Failure {
    /// `what` is a lowercase fragment: what failed, its name, what to do.
    pub fn new(itinerary: Itinerary, what: impl fmt::Display) -> Self {
        Self(Box::new((itinerary, what.to_string())))
    }

    pub fn what(&self) -> &str {
        &self.0.1
    }

    pub fn into_parts(self) -> (Itinerary, String) {
        *self.0
    }
}

/// A module type without its Rust types: what the list of modules holds.
pub trait ModuleKind: Sync {
    fn type_name(&self) -> &'static str;
    fn direction(&self) -> Direction;
    fn summary(&self) -> &'static str;
    fn example(&self) -> &'static str;
    /// The JSON Schema of the settings.
    fn settings_schema(&self) -> Schema;
    /// Reads settings in which the parameters are already put in.
    fn parse(&self, with: &serde_json::Map<String, serde_json::Value>) -> Result<ParsedSettings, SettingsError>;
    fn ports(&self, settings: &ParsedSettings) -> Vec<PortName>;
    fn check(&self, settings: &ParsedSettings, checker: &mut Checker<'_>);
    fn build(&self, settings: ParsedSettings, context: &mut BuildContext<'_>) -> Result<Built, BuildError>;
}

/// Settings that were read by their module type.
pub struct ParsedSettings(Box<dyn Any>);

impl fmt::Debug for ParsedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParsedSettings")
    }
}

/// Settings that their module type does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SettingsError {
    /// Where in the settings, as in `values.temperature`; empty for the whole.
    pub path: String,
    pub what: String,
}

/// Puts a typed [`Module`] into the list of modules.
pub struct Of<M>(PhantomData<fn() -> M>);

impl<M> Of<M> {
    #[expect(clippy::new_without_default, reason = "const lists call it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M> fmt::Debug for Of<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Of")
    }
}

impl<M: Module> ModuleKind for Of<M> {
    fn type_name(&self) -> &'static str {
        M::TYPE
    }

    fn direction(&self) -> Direction {
        M::DIRECTION
    }

    fn summary(&self) -> &'static str {
        M::SUMMARY
    }

    fn example(&self) -> &'static str {
        M::EXAMPLE
    }

    fn settings_schema(&self) -> Schema {
        schemars::schema_for!(M::Settings)
    }

    fn parse(&self, with: &serde_json::Map<String, serde_json::Value>) -> Result<ParsedSettings, SettingsError> {
        let settings: Result<M::Settings, _> =
            serde_path_to_error::deserialize(serde_json::Value::Object(with.clone()));
        match settings {
            Ok(settings) => Ok(ParsedSettings(Box::new(settings))),
            Err(error) => {
                let path = error.path().to_string();
                let path = if path == "." { String::new() } else { path };
                Err(SettingsError { path, what: error.into_inner().to_string() })
            }
        }
    }

    fn ports(&self, settings: &ParsedSettings) -> Vec<PortName> {
        settings.0.downcast_ref().map(M::ports).unwrap_or_default()
    }

    fn check(&self, settings: &ParsedSettings, checker: &mut Checker<'_>) {
        if let Some(settings) = settings.0.downcast_ref() {
            M::check(settings, checker);
        }
    }

    fn build(&self, settings: ParsedSettings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        match settings.0.downcast() {
            Ok(settings) => M::build(*settings, context),
            Err(_) => Err(BuildError::new("these settings were read by another module type")),
        }
    }
}
