//! `map`: makes a message of the parts of another.

use indexmap::IndexMap;
use message::value::Path;
use message::{Now, Value, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::report;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::expression::{Expression, check_expression};
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};
use crate::template::TemplateError;
use crate::value_template::ValueTemplate;

/// Sets, computes and removes properties. Everything is read from the message as it came in, so the order does not matter.
///
/// **Message in** anything. **Message out** with `mode = "keep"` the message with the changes; with `mode = "replace"` a new one
/// that has only what `set` and `compute` give it.
///
/// **Failure** an expression cannot be evaluated for this message; a property cannot be set because the message, or what
/// stands on the way, is no object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Settings {
    /// Whether the rest of the message stays.
    mode: Mode,
    /// Values by property. Texts may take parts; one that is a single part, as in `"{data.t}"`, keeps its type.
    #[schemars(with = "std::collections::BTreeMap<String, ValueTemplate>")]
    set: IndexMap<Path, ValueTemplate>,
    /// Expressions in JavaScript by property, as in `message.data.f * 1.8 + 32`.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    compute: IndexMap<Path, String>,
    /// Properties that are taken out.
    #[schemars(with = "Vec<String>")]
    remove: Vec<Path>,
}

/// What becomes of the rest of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// It stays.
    #[default]
    Keep,
    /// It is left behind.
    Replace,
}

/// The module type.
#[derive(Debug)]
pub(super) struct Map;

impl Module for Map {
    const TYPE: &'static str = "map";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Sets, computes and removes properties.";
    const EXAMPLE: &'static str = r#"mode = "replace"
set = { line = "{data.line}", unit = "C", raw = "{data}" }
compute = { celsius = "(message.data.fahrenheit - 32) * 5 / 9" }
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let entries = settings.set.len() + settings.compute.len() + settings.remove.len();
        if entries == 0 || entries > limits::MODULE_ENTRIES_MAX {
            let hint = format!("add 1 to {} properties to `set`, `compute` or `remove`", limits::MODULE_ENTRIES_MAX);
            checker.problem("", format!("{entries} properties are to be changed"), hint);
        }
        for (path, template) in &settings.set {
            template.check(&format!("set.{path}"), checker);
            if settings.compute.contains_key(path) {
                checker.problem(&format!("compute.{path}"), "`set` gives it a value too", "take one of the two out");
            }
        }
        for (path, source) in &settings.compute {
            report(&format!("compute.{path}"), check_expression(source, checker.variables()), checker);
        }
        if settings.mode == Mode::Replace && !settings.remove.is_empty() {
            checker.problem(
                "remove",
                "a new message has nothing to take out",
                "take `remove` out, or set `mode = \"keep\"`",
            );
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let environment = &*context.services.environment;
        let set = settings
            .set
            .into_iter()
            .map(|(path, template)| Ok((path, Source::Template(template.with_environment(environment)?))))
            .collect::<Result<Vec<_>, TemplateError>>()
            .map_err(BuildError::new)?;
        let names = context.flow.variables.names();
        let computed = settings.compute.into_iter().map(|(path, source)| {
            let expression = Expression::new(context.scripts, &source, names)
                .map_err(|error| BuildError::new(format!("`{path}` cannot be computed: {error}")))?;
            Ok((path, Source::Expression(expression)))
        });
        let computed = computed.collect::<Result<Vec<_>, BuildError>>()?;
        let entries = set.into_iter().chain(computed).collect();
        Ok(Built::Step(Box::new(Mapper { mode: settings.mode, entries, remove: settings.remove, values: Vec::new() })))
    }
}

enum Source {
    Template(ValueTemplate),
    Expression(Expression),
}

struct Mapper {
    mode: Mode,
    entries: Vec<(Path, Source)>,
    remove: Vec<Path>,
    /// What is put into the message at hand, in the order of the entries.
    values: Vec<Value>,
}

impl Step for Mapper {
    fn process(&mut self, _: Now, mut itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        match self.apply(&mut itinerary) {
            Ok(()) => {
                out.emit(itinerary);
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }
}

impl Mapper {
    /// Reads everything, then changes everything; a failure leaves the message as it was.
    fn apply(&mut self, itinerary: &mut Itinerary) -> Result<(), String> {
        self.values.clear();
        for (path, source) in &self.entries {
            self.values.push(match source {
                Source::Template(template) => template.render(itinerary),
                Source::Expression(expression) => {
                    expression.evaluate(itinerary).map_err(|error| format!("`{path}` cannot be computed: {error}"))?
                }
            });
        }
        if self.mode == Mode::Replace {
            let mut message = Value::Object(message::Object::with_capacity(self.entries.len()));
            self.place(&mut message)?;
            itinerary.message = message;
            return Ok(());
        }
        if self.fits(&itinerary.message) {
            self.place(&mut itinerary.message)?;
        } else {
            let mut message = itinerary.message.clone();
            self.place(&mut message)?;
            itinerary.message = message;
        }
        for path in &self.remove {
            itinerary.message.remove(path);
        }
        Ok(())
    }

    /// Whether every property can surely be set: then the message need not be copied against a failure halfway.
    fn fits(&self, message: &Value) -> bool {
        matches!(message, Value::Object(_)) && self.entries.iter().all(|(path, _)| path.as_member().is_some())
    }

    fn place(&mut self, message: &mut Value) -> Result<(), String> {
        for ((path, _), value) in self.entries.iter().zip(self.values.drain(..)) {
            message.set(path, value).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, itinerary, now, try_message};

    const KIND: &dyn ModuleKind = &Of::<Map>::new();

    fn check(toml: &str, message: &str, expect: &str) {
        let mut step = World::new().step(KIND, toml);
        assert_eq!(try_message(&mut *step, message).unwrap(), [format!("0: {expect}")], "{toml}");
    }

    #[test]
    fn properties_are_set_computed_and_removed() {
        check(
            "set = { line = '{data.line}', t = 'is {data.t}', n = '{data.t}' }\ncompute = { f = 'message.data.t * 2 + limit' }",
            r#"{"data":{"t":1,"line":"a"}}"#,
            r#"{"data":{"t":1,"line":"a"},"line":"a","t":"is 1","n":1,"f":32}"#,
        );
        check("mode = 'replace'\nset = { 'a.b' = '{x}', c = [1] }", r#"{"x":true}"#, r#"{"a":{"b":true},"c":[1]}"#);
        check("set = { d = '{a}' }\nremove = ['a', 'b.c', 'x.y']", r#"{"a":1,"b":{"c":2}}"#, r#"{"b":{},"d":1}"#);
        check("mode = 'replace'\nset = { m = '{message}' }", "7", r#"{"m":7}"#);
    }

    #[test]
    fn everything_is_read_from_the_message_as_it_came() {
        check(
            "set = { a = '{b}', b = '{a}' }\ncompute = { c = 'message.a' }",
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1,"c":1}"#,
        );
    }

    #[test]
    fn a_failure_leaves_the_message_as_it_was() {
        let mut step = World::new().step(KIND, "set = { n = 1, 'a.b' = 2 }");
        let mut out = Emitter::default();
        let failure = step.process(now(0), itinerary(r#"{"a":0}"#), &mut out).unwrap_err();
        let (itinerary, what) = failure.into_parts();
        assert_eq!(itinerary.message.to_json(), r#"{"a":0}"#);
        assert!(what.contains("cannot set `a.b`"), "{what}");
        let mut step = World::new().step(KIND, "compute = { n = 'message.a.b.c' }");
        assert!(try_message(&mut *step, "{}").unwrap_err().starts_with("`n` cannot be computed: TypeError"));
        let mut step = World::new().step(KIND, "set = { n = 1 }");
        assert!(try_message(&mut *step, "7").unwrap_err().contains("cannot set `n`"));
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        for (toml, what) in [
            ("", "0 properties"),
            ("compute = { n = 'message.a +' }", "with.compute.n, line 1"),
            ("compute = { n = 'lmit' }", "undeclared variable `lmit`"),
            ("set = { n = '{variables.lmit}' }", "with.set.n: variable `lmit` is not declared"),
            ("set = { n = 1 }\ncompute = { n = '1' }", "gives it a value too"),
            ("mode = 'replace'\nset = { n = 1 }\nremove = ['a']", "nothing to take out"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
    }
}
