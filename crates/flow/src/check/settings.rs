//! Module types and their settings: that they exist, that their type takes them, and what each module itself says
//! about them. Here the claims come together.

use serde_json::{Map, Value as Json};

use super::inspection::{Findings, InspectedModule, Inspection};
use super::{Checker, Place, Problem, Severity, explain, nearest, remove_from_json};
use crate::module::{ModuleKind, SettingsError};
use message::ModuleId;

/// Settings of one module that are complained of in one check; a person begins with the first of them.
const COMPLAINTS_MAX: usize = 20;

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    for (id, module) in &inspection.modules {
        let Some(kind) = module.kind else {
            let known = inspection.catalog.kinds().iter().map(|kind| kind.type_name());
            let what = format!("unknown module type `{}`", module.spec.type_name);
            let hint = nearest::hint(&module.spec.type_name, known, "see the list of module types");
            findings.push(Problem::error(Place::module(id), what, hint));
            continue;
        };
        let first_problem = findings.problems.len();
        let claims_before = findings.claims.len();
        check_settings(id, module, kind, inspection, findings);
        if module.spec.disabled {
            // It does not run: what is wrong with it may wait, and it touches nothing.
            findings.claims.truncate(claims_before);
            for problem in findings.problems.iter_mut().skip(first_problem) {
                problem.severity = Severity::Warning;
            }
        }
    }
}

fn check_settings(
    id: &ModuleId,
    module: &InspectedModule<'_>,
    kind: &'static dyn ModuleKind,
    inspection: &Inspection<'_>,
    findings: &mut Findings,
) {
    match (&module.settings, &module.with) {
        (Some(Ok(settings)), _) => {
            let mut checker = Checker::new(id, &inspection.variables, &mut findings.problems, &mut findings.claims);
            kind.check(settings, &mut checker);
            if checker.is_brake() {
                findings.brakes.insert(id.clone());
            }
        }
        (Some(Err(error)), Ok(with)) => complain(id, kind, with, error, findings),
        _ => {}
    }
}

/// Reports everything that the type does not take: after each complaint the offending setting is taken out and the
/// rest is read again.
fn complain(
    id: &ModuleId,
    kind: &'static dyn ModuleKind,
    with: &Map<String, Json>,
    first: &SettingsError,
    findings: &mut Findings,
) {
    let mut rest = Json::Object(with.clone());
    let mut error = first.clone();
    for _ in 0..COMPLAINTS_MAX {
        let (what, hint) = explain(&error.what);
        findings.push(Problem::error(Place::setting(id, error.path.clone()), what, hint));
        if !remove_from_json(&mut rest, &error.path) {
            return;
        }
        let Json::Object(settings) = &rest else { return };
        match kind.parse(settings) {
            Ok(_) => return,
            // A setting that was taken out because it was wrong is not also missing.
            Err(next) if next.what.starts_with("missing field") => return,
            Err(next) => error = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::expect_problems;

    #[test]
    fn every_setting_that_the_type_does_not_take_is_reported_with_its_path() {
        expect_problems(
            r#"
            [modules.in]
            type = "test-inn"
            [modules.step]
            type = "test-step"
            with = { nme = "x", count = "many", nested = { deep = [1, "x"] } }
            [modules.out]
            type = "test-in"
            [[connections]]
            from = "in"
            to = "step"
            "#,
            &[
                "modules.in: unknown module type `test-inn` (did you mean `test-in`?)",
                "modules.step.with.nme: unknown key `nme` (did you mean `name`?)",
                "modules.step.with.count: the text \"many\" is not what belongs here (give a whole number that is not negative)",
                "modules.step.with.nested.deep[1]: the text \"x\" is not what belongs here (give a whole number that is not negative)",
                "modules.out.with: `topic` is missing (add `topic`)",
            ],
        );
    }

    #[test]
    fn what_the_module_itself_finds_is_reported() {
        expect_problems(
            "[modules.in]\ntype = \"test-in\"\nwith = { topic = \"a/#/b\" }\n",
            &[
                "modules.in.with.topic: `a/#/b` is no topic filter: `#` must be the last level of the topic filter (write a topic, `+` for one level, `#` for the rest)",
            ],
        );
    }

    #[test]
    fn a_disabled_module_only_warns() {
        expect_problems(
            "[modules.in]\ntype = \"test-in\"\nwith = { topic = \"a\" }\n[modules.off]\ntype = \"test-in\"\ndisabled = true\n",
            &["warning: modules.off.with: `topic` is missing (add `topic`)"],
        );
    }
}
