//! Whether a message passes: comparisons that must all hold, and a condition in JavaScript.

use message::{Text, limits};

use super::comparison::Comparison;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::expression::{Condition, SourceProblem, check_condition};
use crate::run::Itinerary;

/// Comparisons and a condition, made ready. All must hold.
#[derive(Debug)]
pub(super) struct Decision {
    comparisons: Vec<Comparison>,
    condition: Option<Condition>,
}

impl Decision {
    pub(super) fn new(
        comparisons: Vec<Comparison>,
        condition: Option<&str>,
        context: &BuildContext<'_>,
    ) -> Result<Self, BuildError> {
        let compile = |source| Condition::new(context.scripts, source, context.flow.variables.names());
        let condition = condition.map(compile).transpose();
        Ok(Self {
            comparisons,
            condition: condition.map_err(|error| BuildError::new(format!("the condition cannot be read: {error}")))?,
        })
    }

    /// The error says why the condition could not be evaluated.
    pub(super) fn passes(&self, itinerary: &Itinerary) -> Result<bool, String> {
        if !self.comparisons.iter().all(|comparison| comparison.passes(&itinerary.message)) {
            return Ok(false);
        }
        match &self.condition {
            None => Ok(true),
            Some(condition) => condition.is_true(itinerary).map_err(|error| format!("the condition failed: {error}")),
        }
    }
}

/// Reports what is wrong with comparisons and condition; `at` is empty or a path with a dot behind it.
pub(super) fn check(at: &str, comparisons: &[Comparison], condition: Option<&str>, checker: &mut Checker<'_>) {
    if comparisons.is_empty() && condition.is_none() {
        checker.problem(at.trim_end_matches('.'), "nothing is compared", "add `conditions` or a `condition`");
    }
    if comparisons.len() > limits::MODULE_ENTRIES_MAX {
        let hint = format!("at most {} are allowed", limits::MODULE_ENTRIES_MAX);
        checker.problem(&format!("{at}conditions"), "too many conditions", hint);
    }
    for (place, comparison) in comparisons.iter().enumerate() {
        comparison.check(&format!("{at}conditions[{place}]"), checker);
    }
    if let Some(source) = condition {
        report(&format!("{at}condition"), check_condition(source, checker.variables()), checker);
    }
}

/// Reports what is wrong with a text in JavaScript that stands at `path`.
pub(super) fn report(path: &str, problems: Vec<SourceProblem>, checker: &mut Checker<'_>) {
    for problem in problems {
        let position = Some((problem.place.line, problem.place.column));
        checker.problem_at(path, position, problem.what, problem.hint.unwrap_or_default());
    }
}

/// Names that outputs may not have, as every module has these.
pub(super) fn is_taken_port(name: &Text) -> bool {
    matches!(name.as_str(), crate::model::Connection::OUT | crate::model::Connection::ERROR)
}
