//! The declared variables: their names and initial values.

use super::inspection::{Findings, Inspection};
use super::{Place, Problem};
use crate::expression::is_bare_name;

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    for (name, variable) in &inspection.flow.variables {
        let at = || Place::flow(format!("variables.{name}"));
        if !is_bare_name(name) {
            let what = format!("`{name}` cannot name a variable: scripts could not use it by that name");
            let hint =
                "use letters, digits and `_`, and no word of JavaScript nor `message`, `variables`, `context`, `log`";
            findings.push(Problem::error(at(), what, hint));
        }
        if !variable.kind.accepts(&variable.value) {
            let (wanted, found) = (variable.kind.name(), variable.value.type_name());
            let what = format!("variable `{name}` is declared as {wanted} and begins with a value of type {found}");
            findings.push(Problem::error(at(), what, "change the value or the type"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::{expect_clean, expect_problems};

    const IN: &str = "[modules.in]\ntype = \"test-in\"\nwith = { topic = \"a\" }\n";

    #[test]
    fn names_that_scripts_cannot_use_are_refused() {
        for name in ["message", "context", "variables", "log", "state", "class", "let", "a-b", "1a", "a b"] {
            expect_problems(
                &format!("[variables]\n\"{name}\" = {{ type = \"json\" }}\n{IN}"),
                &[&format!(
                    "variables.{name}: `{name}` cannot name a variable: scripts could not use it by that name (use letters, digits and `_`, and no word of JavaScript nor `message`, `variables`, `context`, `log`)"
                )],
            );
        }
        expect_clean(&format!("[variables]\n_limit2 = {{ type = \"json\" }}\n{IN}"));
    }

    #[test]
    fn an_initial_value_is_of_the_declared_type() {
        for (kind, good, bad, found) in [
            ("string", "\"x\"", "1", "number"),
            ("number", "1.5", "\"x\"", "string"),
            ("boolean", "true", "0", "number"),
            ("time", "\"2024-01-01T00:00:00Z\"", "\"today\"", "string"),
        ] {
            expect_clean(&format!("[variables]\nv = {{ type = \"{kind}\", value = {good} }}\n{IN}"));
            expect_problems(
                &format!("[variables]\nv = {{ type = \"{kind}\", value = {bad} }}\n{IN}"),
                &[&format!(
                    "variables.v: variable `v` is declared as {kind} and begins with a value of type {found} (change the value or the type)"
                )],
            );
        }
    }
}
