//! Places on the canvas for modules that are not there. The flow runs all the same: these are warnings.

use super::inspection::{Findings, Inspection};
use super::{Place, Problem, nearest};

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    for id in inspection.flow.layout.keys() {
        if !inspection.modules.contains_key(id) {
            let known = inspection.modules.keys().map(|id| id.as_str());
            let hint = nearest::hint(id.as_str(), known, "take it out");
            let at = Place::flow(format!("layout.{id}"));
            findings.push(Problem::warning(at, format!("there is no module `{id}`"), hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::expect_problems;

    #[test]
    fn a_place_for_no_module_is_warned_of() {
        expect_problems(
            "[modules.in]\ntype = \"test-in\"\nwith = { topic = \"a\" }\n[layout]\nin = [0, 0]\nni = [1, 1]\n",
            &["warning: layout.ni: there is no module `ni` (did you mean `in`?)"],
        );
    }
}
