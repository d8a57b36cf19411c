//! `script`: JavaScript over message and variables.

use message::{ModuleId, Now, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::decision::report;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::expression::check_script;
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary, VariableError};
use crate::script::{LogLevel, Outcome, Script, ScriptScope};
use crate::services::{self, Services};

/// Runs JavaScript over the message and the variables.
///
/// In scope are `message`, each declared variable by its name, `variables` with the same by name, `context`, `log` (`debug`,
/// `info`, `warn`, `error`) and `state`, an object that this script keeps from run to run as long as its flow version runs.
/// There is no access to files, network or other flows; time, heap and stack are limited.
///
/// **Message in** anything. **Message out** what `message` is at the end. `return` another value, and that is the message;
/// `return null`, and the itinerary ends; return an array, and each element goes on as a message.
///
/// **Failure** the script throws or runs beyond its limits; a variable gets a value of another type than its declared one.
/// Message and variables are then as they came.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The JavaScript.
    #[schemars(extend("format" = "javascript"))]
    code: String,
}

/// The module type.
#[derive(Debug)]
pub(super) struct ScriptModule;

impl Module for ScriptModule {
    const TYPE: &'static str = "script";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Runs JavaScript over message and variables.";
    const EXAMPLE: &'static str = r"code = '''
message.celsius = (message.data.fahrenheit - 32) * 5 / 9;
if (message.celsius > 100) log.warn('too hot');
'''
";
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        report("code", check_script(&settings.code, checker.variables()), checker);
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let names = context.flow.variables.names();
        let script = context.scripts.compile_script(&settings.code, names);
        Ok(Built::Step(Box::new(Runner {
            script: script.map_err(|error| BuildError::new(format!("the script cannot be read: {error}")))?,
            services: context.services.clone(),
            module: context.module.clone(),
        })))
    }
}

struct Runner {
    script: Script,
    services: Services,
    module: ModuleId,
}

impl Step for Runner {
    fn process(&mut self, now: Now, mut itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        match self.run(now, &mut itinerary) {
            Ok(Outcome::Continue) => out.emit(itinerary),
            Ok(Outcome::End) => {}
            Ok(Outcome::Emit(messages)) => {
                for message in messages {
                    out.emit(itinerary.with_message(message));
                }
            }
            Err(what) => return Err(Failure::new(itinerary, format!("the script failed: {what}"))),
        }
        Ok(())
    }
}

impl Runner {
    /// Runs the script; an error leaves message and variables as they were.
    fn run(&mut self, now: Now, itinerary: &mut Itinerary) -> Result<Outcome, String> {
        let mut message = std::mem::take(&mut itinerary.message);
        let run = self.script.run(ScriptScope {
            message: &mut message,
            variables: itinerary.variables.as_slice(),
            context: &|| itinerary.context_value(),
            log: &mut |level, text| self.services.debug.log(now, &self.module, level_of(level), text),
        });
        itinerary.message = message;
        let run = run.map_err(|error| error.to_string())?;
        if !run.changed.is_empty()
            && let Err(error) = set_variables(itinerary, run.changed)
        {
            itinerary.message = run.before;
            return Err(error.to_string());
        }
        Ok(run.outcome)
    }
}

/// Sets all of them or, if one is not of its type, none.
fn set_variables(itinerary: &mut Itinerary, changed: Vec<(usize, Value)>) -> Result<(), VariableError> {
    let names = &itinerary.flow().variables;
    let mut variables = itinerary.variables.clone();
    for (place, value) in changed {
        let Some(name) = names.names().get(place) else { continue };
        names.set(&mut variables, name, value)?;
    }
    itinerary.variables = variables;
    Ok(())
}

fn level_of(level: LogLevel) -> services::LogLevel {
    match level {
        LogLevel::Debug => services::LogLevel::Debug,
        LogLevel::Info => services::LogLevel::Info,
        LogLevel::Warn => services::LogLevel::Warn,
        LogLevel::Error => services::LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, itinerary, now, try_message};

    const KIND: &dyn ModuleKind = &Of::<ScriptModule>::new();

    fn step(code: &str) -> Box<dyn Step> {
        World::new().step(KIND, &format!("code = '''{code}'''"))
    }

    #[test]
    fn the_message_is_changed_replaced_ended_or_made_many() {
        for (code, expect) in [
            ("message.b = message.a + 1;", &[r#"0: {"a":1,"b":2}"#][..]),
            ("return { c: message.a };", &[r#"0: {"c":1}"#]),
            ("return null;", &[]),
            ("return [1, { d: 2 }];", &["0: 1", r#"0: {"d":2}"#]),
            ("message.f = context.flow;", &[r#"0: {"a":1,"f":"tried"}"#]),
        ] {
            assert_eq!(try_message(&mut *step(code), r#"{"a":1}"#).unwrap(), expect, "{code}");
        }
    }

    #[test]
    fn variables_are_changed_within_their_types() {
        let mut out = Emitter::default();
        step("limit += message.n;").process(now(0), itinerary(r#"{"n":1}"#), &mut out).unwrap();
        let (_, changed) = out.drain().next().unwrap();
        assert_eq!(changed.flow().variables.get(&changed.variables, "limit"), Some(&Value::from(31)));

        let failure =
            step("message.n = 2; line = 'x'; limit = 'y';").process(now(0), itinerary(r#"{"n":1}"#), &mut out);
        let (kept, what) = failure.unwrap_err().into_parts();
        assert!(what.contains("variable `limit` is declared as number"), "{what}");
        assert_eq!(kept.message.to_json(), r#"{"n":1}"#);
        assert_eq!(kept.flow().variables.get(&kept.variables, "line"), Some(&Value::from("l1")));
    }

    #[test]
    fn a_script_that_throws_leaves_the_message_as_it_came() {
        let mut out = Emitter::default();
        let failure = step("message.a = 2; throw new Error('no');").process(now(0), itinerary(r#"{"a":1}"#), &mut out);
        let (kept, what) = failure.unwrap_err().into_parts();
        assert!(what.starts_with("the script failed: Error: no"), "{what}");
        assert_eq!(kept.message.to_json(), r#"{"a":1}"#);
    }

    #[test]
    fn what_is_logged_goes_to_the_node() {
        let world = World::new();
        let mut step = world.step(KIND, "code = \"log.warn('hot', message);\"");
        try_message(&mut *step, "7").unwrap();
        assert_eq!(*world.debug.logged.lock().unwrap(), ["Warn tried: hot 7"]);
    }

    #[test]
    fn the_check_names_the_line_and_column() {
        let found = harness::check(KIND, "code = \"\"\"\nmessage.a = ;\n\"\"\"").lines();
        assert!(found.len() == 1 && found[0].contains("with.code, line 1, column 13"), "{found:?}");
        assert!(World::new().try_build(KIND, "code = 'message.a = ;'").is_err());
    }
}
