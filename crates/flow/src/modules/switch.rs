//! `switch`: sends messages on different ways.

use message::{Now, Text, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::decision::{self, Decision, is_taken_port};
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::model::PortName;
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};

/// Sends each message out by the outputs whose conditions hold.
///
/// **Message in** anything. **Message out** the message as it came: by the first output whose conditions hold, or, with
/// `mode = "all"`, by every one. What none of them takes leaves by `out`.
///
/// **Failure** a `condition` cannot be evaluated for this message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The outputs, in the order in which they are tried.
    outputs: Vec<Output>,
    /// Whether one output takes a message, or every one whose conditions hold.
    #[serde(default)]
    mode: Mode,
}

/// One output and what it takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// The name of the output, by which connections leave it.
    #[schemars(with = "String")]
    name: PortName,
    /// Properties held against values; all must hold.
    #[serde(default)]
    conditions: Vec<Comparison>,
    /// A condition in JavaScript that must hold as well, as in `message.data.t > limit`.
    #[serde(default)]
    #[schemars(extend("format" = "condition"))]
    condition: Option<String>,
}

/// How many outputs take one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// The first whose conditions hold.
    #[default]
    First,
    /// Every one whose conditions hold; each has its own copy.
    All,
}

/// The module type.
#[derive(Debug)]
pub(super) struct Switch;

impl Module for Switch {
    const TYPE: &'static str = "switch";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Sends messages out by the output whose conditions hold.";
    const EXAMPLE: &'static str = r#"mode = "first"

[[outputs]]
name = "hot"
conditions = [{ property = "data.temperature", operator = ">", value = 30 }]

[[outputs]]
name = "cold"
condition = "message.data.temperature < 5"
"#;
    type Settings = Settings;

    fn ports(settings: &Settings) -> Vec<PortName> {
        let named = settings.outputs.iter().map(|output| output.name.clone());
        std::iter::once(Text::new_static("out")).chain(named).collect()
    }

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if settings.outputs.is_empty() || settings.outputs.len() > limits::MODULE_ENTRIES_MAX {
            let hint = format!("add 1 to {}", limits::MODULE_ENTRIES_MAX);
            checker.problem("outputs", format!("{} outputs", settings.outputs.len()), hint);
        }
        for (place, output) in settings.outputs.iter().enumerate() {
            let at = format!("outputs[{place}].");
            if let Err(what) = check_name(settings, place, &output.name) {
                checker.problem(&format!("{at}name"), what, "choose another name");
            }
            decision::check(&at, &output.conditions, output.condition.as_deref(), checker);
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let decide = |output: Output| Decision::new(output.conditions, output.condition.as_deref(), context);
        let decisions = settings.outputs.into_iter().map(decide).collect::<Result<_, BuildError>>()?;
        Ok(Built::Step(Box::new(Junction { decisions, mode: settings.mode, taken: Vec::new() })))
    }
}

fn check_name(settings: &Settings, place: usize, name: &PortName) -> Result<(), String> {
    if is_taken_port(name) {
        return Err(format!("`{name}` is an output that every module has"));
    }
    let signs = |sign: char| sign.is_alphanumeric() || matches!(sign, '-' | '_');
    if name.is_empty() || name.len() > limits::ID_BYTES_MAX || !name.chars().all(signs) {
        let most = limits::ID_BYTES_MAX;
        return Err(format!("`{name}` is no name of an output: use up to {most} letters, digits, `-` and `_`"));
    }
    match settings.outputs.iter().take(place).any(|output| output.name == *name) {
        true => Err(format!("there are two outputs `{name}`")),
        false => Ok(()),
    }
}

struct Junction {
    decisions: Vec<Decision>,
    mode: Mode,
    /// The outputs that take the message at hand.
    taken: Vec<usize>,
}

impl Step for Junction {
    fn process(&mut self, _: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        self.taken.clear();
        for (place, decision) in self.decisions.iter().enumerate() {
            match decision.passes(&itinerary) {
                // The first port is `out`.
                Ok(true) => self.taken.push(place + 1),
                Ok(false) => continue,
                Err(what) => return Err(Failure::new(itinerary, what)),
            }
            if self.mode == Mode::First {
                break;
            }
        }
        match self.taken.split_last() {
            None => out.emit(itinerary),
            Some((last, before)) => {
                for port in before {
                    out.emit_to(*port, itinerary.clone());
                }
                out.emit_to(*last, itinerary);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, settings, try_message};

    const KIND: &dyn ModuleKind = &Of::<Switch>::new();

    fn ports_of(mode: &str, message: &str) -> Result<Vec<String>, String> {
        let toml = format!(
            "mode = '{mode}'\n\
             [[outputs]]\nname = 'hot'\nconditions = [{{ property = 't', operator = '>', value = 30 }}]\n\
             [[outputs]]\nname = 'warm'\ncondition = 'message.t > 20'\n\
             [[outputs]]\nname = 'bad'\ncondition = 'message.x.y.z'\nconditions = [{{ property = 'x', operator = 'exists' }}]"
        );
        let passed = try_message(&mut *World::new().step(KIND, &toml), message)?;
        Ok(passed.into_iter().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect())
    }

    #[test]
    fn a_message_leaves_by_the_first_or_by_every_output_that_takes_it() {
        assert_eq!(ports_of("first", r#"{"t":31}"#).unwrap(), ["1"]);
        assert_eq!(ports_of("all", r#"{"t":31}"#).unwrap(), ["1", "2"]);
        assert_eq!(ports_of("first", r#"{"t":21}"#).unwrap(), ["2"]);
        assert_eq!(ports_of("first", r#"{"t":1}"#).unwrap(), ["0"]);
        assert_eq!(ports_of("all", "7").unwrap(), ["0"]);
        assert!(ports_of("all", r#"{"t":31,"x":1}"#).unwrap_err().contains("the condition failed"));
    }

    #[test]
    fn the_outputs_are_ports_in_their_order() {
        let parsed = KIND.parse(&settings(KIND.example())).unwrap();
        assert_eq!(KIND.ports(&parsed), ["out", "hot", "cold"]);
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        let output = |name: &str| format!("[[outputs]]\nname = '{name}'\ncondition = 'true'\n");
        for (toml, what) in [
            ("outputs = []".to_owned(), "0 outputs"),
            (output("out"), "every module has"),
            (output("a b"), "is no name of an output"),
            (output("a") + &output("a"), "outputs[1].name: there are two outputs `a`"),
            ("[[outputs]]\nname = 'a'".to_owned(), "outputs[0]: nothing is compared"),
        ] {
            let found = harness::check(KIND, &toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
    }
}
