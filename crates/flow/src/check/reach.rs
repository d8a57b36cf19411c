//! Modules that no itinerary ever comes to. The flow runs all the same: these are warnings.

use std::collections::BTreeMap;

use super::inspection::{Findings, Inspection};
use super::{Place, Problem};

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    if inspection.modules.is_empty() {
        findings.push(Problem::warning(Place::flow("modules"), "the flow has no modules", "add an inbound module"));
        return;
    }
    // A module of unknown type may be inbound; that it is unknown is reported already.
    let starts = |place: &usize| {
        let module = inspection.modules.get_index(*place).map(|(_, module)| module);
        module.is_some_and(|module| !module.spec.disabled && (module.kind.is_none() || module.is_inbound()))
    };
    let mut open: Vec<usize> = (0..inspection.modules.len()).filter(starts).collect();
    if open.is_empty() {
        let hint = "add one, as `mqtt-sub-broker`, `http-listener` or `timer`, or enable it";
        findings.push(Problem::warning(Place::flow("modules"), "no inbound module starts the flow", hint));
        return;
    }
    let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to, _) in inspection.live_connections() {
        next.entry(from).or_default().push(to);
    }
    let mut reached = vec![false; inspection.modules.len()];
    while let Some(place) = open.pop() {
        if let Some(flag) = reached.get_mut(place).filter(|flag| !**flag) {
            *flag = true;
            open.extend(next.get(&place).into_iter().flatten());
        }
    }
    for ((id, module), reached) in inspection.modules.iter().zip(reached) {
        if !reached && !module.spec.disabled {
            let what = format!("no inbound module leads to `{id}`: it never gets a message");
            findings.push(Problem::warning(Place::module(id), what, "connect it, or take it out"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::expect_problems;

    #[test]
    fn a_flow_that_never_starts_is_warned_of() {
        expect_problems("", &["warning: modules: the flow has no modules (add an inbound module)"]);
        expect_problems(
            "[modules.a]\ntype = \"test-step\"\nwith = { name = \"x\" }\n[modules.in]\ntype = \"test-in\"\nwith = { topic = \"a\" }\ndisabled = true\n",
            &[
                "warning: modules: no inbound module starts the flow (add one, as `mqtt-sub-broker`, `http-listener` or `timer`, or enable it)",
            ],
        );
    }

    #[test]
    fn modules_that_nothing_leads_to_are_warned_of() {
        expect_problems(
            r#"
            [modules.in]
            type = "test-in"
            with = { topic = "a" }
            [modules.a]
            type = "test-step"
            with = { name = "x" }
            [modules.b]
            type = "test-step"
            with = { name = "x" }
            [[connections]]
            from = "a"
            to = "b"
            "#,
            &[
                "warning: modules.a: no inbound module leads to `a`: it never gets a message (connect it, or take it out)",
                "warning: modules.b: no inbound module leads to `b`: it never gets a message (connect it, or take it out)",
            ],
        );
    }
}
