//! Why a run of JavaScript failed, and how that is read from the engine.

use std::time::Duration;

use message::limits;
use rquickjs::{Coerced, Ctx, Exception, Value as JsValue};

use super::engine::ScriptLimits;
use super::heartbeat::Deadline;
use super::wrapping;
use crate::expression::Place;

/// Why a run of a condition, an expression or a script gave no result. Message and variables are as before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// `what` as in `TypeError: cannot read property 'x' of undefined`; `at` is in the author's own text.
    #[error("{what}{}", at.map(|place| format!(" at {place}")).unwrap_or_default())]
    Threw { what: String, at: Option<Place> },
    #[error("ran longer than {} ms: shorten the work or raise the script's time limit", limit.as_millis())]
    TimedOut { limit: Duration },
    #[error(
        "needed more than {limit_bytes} bytes of heap: keep less or raise the script's heap limit; its state was reset"
    )]
    HeapFull { limit_bytes: usize },
    #[error("left a promise that nothing settles: resolve or reject it before the script ends")]
    Unsettled,
    /// A promise that nothing waits for was rejected.
    #[error("left a rejected promise behind that nothing waits for: {what}")]
    Rejected { what: String },
    #[error("left more than {limit} promise jobs behind: settle promises in fewer steps")]
    TooManyJobs { limit: usize },
    #[error("a {kind} cannot leave the script: keep only what JSON has, dates and bytes")]
    Unkeepable { kind: &'static str },
    #[error("the result is nested deeper than {limit} levels or holds itself")]
    TooDeep { limit: usize },
    #[error("the result is larger than the script's heap of {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    /// The engine itself cannot go on, as when memory is short.
    #[error("the script engine failed: {what}")]
    Engine { what: String },
}

/// A failure on the way, before the engine was asked what it was.
#[derive(Debug)]
pub(super) enum Failure {
    Js(rquickjs::Error),
    Run(RunError),
}

impl From<rquickjs::Error> for Failure {
    fn from(error: rquickjs::Error) -> Self {
        Self::Js(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl Failure {
    /// Takes the exception from the engine and says what it means.
    pub(super) fn explain(self, ctx: &Ctx<'_>, deadline: &Deadline, limits: &ScriptLimits) -> RunError {
        let thrown = ctx.catch();
        let error = match self {
            Self::Run(error) => error,
            Self::Js(error) if !error.is_exception() => RunError::Engine { what: error.to_string() },
            Self::Js(_) => read(&thrown, limits),
        };
        // Reading an exception may run what the script put into it, and leave another behind.
        let _left = ctx.catch();
        if deadline.has_stopped() { RunError::TimedOut { limit: limits.time } } else { error }
    }
}

pub(super) fn read(thrown: &JsValue<'_>, limits: &ScriptLimits) -> RunError {
    let text = |value: &JsValue<'_>| value.get::<Coerced<String>>().map_or_else(|_| String::new(), |text| text.0);
    // With the heap full, not even an error can be made.
    if thrown.is_null() {
        return RunError::HeapFull { limit_bytes: limits.heap_bytes };
    }
    let Some(exception) = thrown.as_object().cloned().and_then(Exception::from_object) else {
        return RunError::Threw { what: shortened(&format!("threw {}", text(thrown))), at: None };
    };
    let message = exception.message().unwrap_or_default();
    let name = exception.get::<_, JsValue<'_>>("name").map(|name| text(&name)).unwrap_or_default();
    if name == "InternalError" && message == "out of memory" {
        return RunError::HeapFull { limit_bytes: limits.heap_bytes };
    }
    let at = exception.stack().and_then(|stack| wrapping::place_in_stack(&stack));
    RunError::Threw { what: shortened(&format!("{name}: {message}")), at }
}

fn shortened(text: &str) -> String {
    text.chars().take(limits::SCRIPT_ERROR_CHARACTERS_MAX).collect()
}
