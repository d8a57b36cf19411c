//! `filter`: lets through what passes.

use message::{Now, Text};
use schemars::JsonSchema;
use serde::Deserialize;

use super::comparison::Comparison;
use super::decision::{self, Decision};
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::model::PortName;
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};

/// Lets a message through when all conditions hold.
///
/// **Message in** anything. **Message out** the message as it came, by `out` when it passes, else by `rejected`; what leaves by
/// an output without a connection ends there.
///
/// **Failure** the `condition` cannot be evaluated for this message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Properties held against values; all must hold.
    #[serde(default)]
    conditions: Vec<Comparison>,
    /// A condition in JavaScript that must hold as well, as in `message.data.t > limit`.
    #[serde(default)]
    #[schemars(extend("format" = "condition"))]
    condition: Option<String>,
}

/// The module type.
#[derive(Debug)]
pub(super) struct Filter;

const REJECTED: usize = 1;

impl Module for Filter {
    const TYPE: &'static str = "filter";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Lets through what passes all conditions.";
    const EXAMPLE: &'static str = r#"condition = "message.data.unit !== null"

[[conditions]]
property = "data.temperature"
operator = ">"
value = 30
"#;
    type Settings = Settings;

    fn ports(_: &Settings) -> Vec<PortName> {
        vec![Text::new_static("out"), Text::new_static("rejected")]
    }

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        checker.brakes();
        decision::check("", &settings.conditions, settings.condition.as_deref(), checker);
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let decision = Decision::new(settings.conditions, settings.condition.as_deref(), context)?;
        Ok(Built::Step(Box::new(Gate { decision })))
    }
}

struct Gate {
    decision: Decision,
}

impl Step for Gate {
    fn process(&mut self, _: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        match self.decision.passes(&itinerary) {
            Ok(true) => out.emit(itinerary),
            Ok(false) => out.emit_to(REJECTED, itinerary),
            Err(what) => return Err(Failure::new(itinerary, what)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, try_message};

    const KIND: &dyn ModuleKind = &Of::<Filter>::new();

    #[test]
    fn all_conditions_must_hold() {
        let toml = "condition = 'message.t > limit'\nconditions = [{ property = 'ok', operator = '==', value = true }]";
        let mut step = World::new().step(KIND, toml);
        for (message, port) in
            [(r#"{"t":31,"ok":true}"#, 0), (r#"{"t":30,"ok":true}"#, 1), (r#"{"t":31,"ok":false}"#, 1), ("7", 1)]
        {
            assert_eq!(try_message(&mut *step, message).unwrap(), [format!("{port}: {message}")]);
        }
    }

    #[test]
    fn a_condition_that_throws_is_a_failure() {
        let mut step = World::new().step(KIND, "condition = 'message.a.b.c > 1'");
        let error = try_message(&mut *step, "{}").unwrap_err();
        assert!(error.starts_with("the condition failed: TypeError"), "{error}");
    }

    #[test]
    fn the_check_names_what_is_wrong_with_its_place() {
        for (toml, what) in [
            ("", "nothing is compared"),
            ("condition = 'message.t > lmit'", "with.condition, line 1, column 13: undeclared variable `lmit`"),
            ("conditions = [{ property = 'a', operator = 'one-of', value = 1 }]", "with.conditions[0].value: "),
            ("conditions = [{ property = 'a', operator = '<', value = [] }]", "has no order"),
            ("conditions = [{ property = 'a', operator = 'exists', value = 1 }]", "compares with nothing"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
        assert!(World::new().try_build(KIND, "condition = 'lmit > 1'").is_err());
    }
}
