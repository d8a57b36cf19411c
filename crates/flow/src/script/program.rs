//! A script module's text: it reads and changes the message and the variables, and decides what goes on.

use std::fmt;

use message::{Text, Value};
use rquickjs::{Array, Value as JsValue};

use super::checker::Syntax;
use super::engine::{Handle, Run, ScriptEngine};
use super::failure::{Failure, RunError};
use super::log_lines::LogLevel;
use crate::expression::{Assignments, SourceProblem, Surroundings};

/// A compiled script.
///
/// In scope are `message`, each declared variable by its name (all can be assigned), `variables` with the same by
/// name, `context`, `log` (`debug`, `info`, `warn`, `error`), and `state`: an object that this script alone keeps
/// between its runs, as long as its flow version runs, within the heap limit. `await` may be used; nothing outlives
/// the run. There is no access to files, network, timers or other flows.
#[derive(Debug, Clone)]
pub struct Script {
    engine: ScriptEngine,
    handle: Handle,
    /// The script without the engine, if it is that plain.
    assignments: Option<Assignments>,
}

/// What one run of a script works on.
pub struct ScriptScope<'a> {
    /// Replaced by the changed message when the run succeeds; as it was when it fails.
    pub message: &'a mut Value,
    /// In the order of the names that the script was compiled over.
    pub variables: &'a [Value],
    /// Called once if the text mentions `context`.
    pub context: &'a dyn Fn() -> Value,
    /// Takes each line that the script logs, also when it fails.
    pub log: &'a mut dyn FnMut(LogLevel, &str),
}

impl fmt::Debug for ScriptScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = &mut f.debug_struct("ScriptScope");
        scope.field("message", &self.message).field("variables", &self.variables).finish_non_exhaustive()
    }
}

/// What a run of a script led to.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptRun {
    pub outcome: Outcome,
    /// The variables that hold another value now, by their places, for the caller to check against their types.
    pub changed: Vec<(usize, Value)>,
    /// The message as it came, if there are changed variables: should one of them not be what was declared.
    pub before: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The message, changed or returned anew, goes on.
    Continue,
    /// The script returned `null`: the itinerary ends.
    End,
    /// The script returned an array: each element goes on as a message, none if it is empty.
    Emit(Vec<Value>),
}

impl ScriptEngine {
    /// Compiles a script over the variables `names`.
    pub fn compile_script(&self, source: &str, names: &[Text]) -> Result<Script, SourceProblem> {
        let handle = self.compile(Syntax::Script, source, names)?;
        Ok(Script { engine: self.clone(), handle, assignments: Assignments::parse(source, names) })
    }
}

impl Script {
    pub fn run(&self, scope: ScriptScope<'_>) -> Result<ScriptRun, RunError> {
        let ScriptScope { message, variables, context, log } = scope;
        if let Some(assignments) = &self.assignments
            && assignments.apply(message, &Surroundings { variables, context })
        {
            return Ok(ScriptRun { outcome: Outcome::Continue, changed: Vec::new(), before: Value::Null });
        }
        let result = self.engine.run(&self.handle, |run| {
            let arguments = run.arguments(&self.handle.mentions, message, variables, context)?;
            let returned = run.compiled.run.call_arg(arguments)?;
            let returned = run.settled(returned)?;
            self.collect(run, returned, message, variables)
        });
        self.engine.log().flush(log);
        let (mut run, after) = result?;
        let before = std::mem::replace(message, after);
        if !run.changed.is_empty() {
            run.before = before;
        }
        Ok(run)
    }

    /// Whether it runs without the script engine, but for messages that are not as it expects.
    pub fn is_native(&self) -> bool {
        self.assignments.is_some()
    }

    /// The same script, run by the engine whatever it is.
    #[cfg(test)]
    pub(crate) fn without_assignments(&self) -> Self {
        Self { assignments: None, ..self.clone() }
    }

    /// Takes out what the script returned and left behind: the run, and the message that goes on.
    fn collect<'js>(
        &self,
        run: &mut Run<'_, 'js>,
        returned: JsValue<'js>,
        message: &Value,
        variables: &[Value],
    ) -> Result<(ScriptRun, Value), Failure> {
        let take = run.compiled.take.as_ref().ok_or_else(|| RunError::Engine { what: "not a script".to_owned() })?;
        let left: Array<'js> = take.call((returned.clone(),))?;
        let mut outlet = run.outlet()?;
        let mut changed = Vec::new();
        for (number, place) in self.handle.mentions.variables.iter().enumerate() {
            let before = variables.get(*place).unwrap_or(&Value::Null);
            let after = outlet.take(&left.get(number + 2)?, Some(before), 0)?;
            if *before != after {
                changed.push((*place, after));
            }
        }
        let (outcome, after) = if returned.is_undefined() {
            (Outcome::Continue, outlet.take(&left.get(1)?, Some(message), 0)?)
        } else if returned.is_null() {
            (Outcome::End, message.clone())
        } else {
            match outlet.take(&returned, Some(message), 0)? {
                Value::Array(values) => (Outcome::Emit(values.as_slice().to_vec()), message.clone()),
                after => (Outcome::Continue, after),
            }
        };
        Ok((ScriptRun { outcome, changed, before: Value::Null }, after))
    }
}
