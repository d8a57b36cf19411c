//! One store name that the flow uses both in memory and on disk.

use std::collections::BTreeMap;

use message::StoreName;

use super::inspection::{Findings, Inspection};
use super::{Claim, Place, Problem};
use message::ModuleId;

pub(super) fn check(_: &Inspection<'_>, findings: &mut Findings) {
    let mut problems = Vec::new();
    let mut first: BTreeMap<&StoreName, (&ModuleId, bool)> = BTreeMap::new();
    for (module, claim) in &findings.claims {
        let Claim::Store { store, persistent, .. } = claim else { continue };
        let (other, is_persistent) = *first.entry(store).or_insert((module, *persistent));
        if is_persistent != *persistent {
            let (here, there) = kinds(*persistent);
            let what = format!("store `{store}` is {here} here and {there} in module `{other}`");
            problems.push(Problem::error(Place::setting(module, "persistent"), what, HINT));
        }
    }
    findings.problems.append(&mut problems);
}

pub(super) const HINT: &str = "set `persistent` alike in all of them, or name another store";

/// How a store is called that is persistent or not, and one that is the other way.
pub(super) fn kinds(persistent: bool) -> (&'static str, &'static str) {
    if persistent { ("persistent", "in memory") } else { ("in memory", "persistent") }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::{expect_clean, expect_problems};

    #[test]
    fn a_store_is_in_memory_or_persistent_throughout_the_flow() {
        let two = |first: bool, second: bool| {
            format!(
                "[modules.in]\ntype = \"test-in\"\nwith = {{ topic = \"a\" }}\n\
                 [modules.a]\ntype = \"test-store\"\nwith = {{ store = \"s\", persistent = {first} }}\n\
                 [modules.b]\ntype = \"test-store\"\nwith = {{ store = \"s\", persistent = {second} }}\n\
                 [[connections]]\nfrom = \"in\"\nto = \"a\"\n[[connections]]\nfrom = \"a\"\nto = \"b\"\n"
            )
        };
        expect_problems(
            &two(true, false),
            &[
                "modules.b.with.persistent: store `s` is in memory here and persistent in module `a` (set `persistent` alike in all of them, or name another store)",
            ],
        );
        expect_clean(&two(true, true));
        expect_clean(&two(false, false));
    }
}
