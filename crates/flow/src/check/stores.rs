//! One store name that the flow uses both in memory and on disk; a store in memory that it reads and never writes.

use std::collections::{BTreeMap, BTreeSet};

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
    problems.extend(never_written(findings));
    findings.problems.append(&mut problems);
}

/// A store in memory is the flow's own: what the flow does not write itself is never there.
fn never_written(findings: &Findings) -> Vec<Problem> {
    let claims = |writing: bool| {
        findings.claims.iter().filter_map(move |(module, claim)| match claim {
            Claim::Store { store, persistent: false, writes } if *writes == writing => Some((module, store)),
            _ => None,
        })
    };
    let written: BTreeSet<&StoreName> = claims(true).map(|(_, store)| store).collect();
    let unwritten = claims(false).filter(|(_, store)| !written.contains(store));
    let warning = |(module, store): (&ModuleId, &StoreName)| {
        let what = format!("nothing in this flow writes store `{store}`, which is in memory and the flow's own");
        Problem::warning(Place::setting(module, "store"), what, NEVER_WRITTEN_HINT)
    };
    unwritten.map(warning).collect()
}

const NEVER_WRITTEN_HINT: &str =
    "write it with `kv-set`, or set `persistent = true` to read a store that all flows share";

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

    #[test]
    fn a_store_in_memory_that_the_flow_never_writes_is_hardly_meant() {
        let reader = |more: &str, persistent: bool| {
            format!(
                "[modules.in]\ntype = \"test-in\"\nwith = {{ topic = \"a\" }}\n\
                 [modules.a]\ntype = \"test-store\"\n\
                 with = {{ store = \"s\", persistent = {persistent}, only_reads = true }}\n\
                 [[connections]]\nfrom = \"in\"\nto = \"a\"\n{more}"
            )
        };
        let writer = "[modules.b]\ntype = \"test-store\"\nwith = { store = \"s\", persistent = false }\n\
                      [[connections]]\nfrom = \"a\"\nto = \"b\"\n";
        expect_problems(
            &reader("", false),
            &[
                "warning: modules.a.with.store: nothing in this flow writes store `s`, which is in memory and the flow's own (write it with `kv-set`, or set `persistent = true` to read a store that all flows share)",
            ],
        );
        expect_clean(&reader(writer, false));
        expect_clean(&reader("", true));
    }
}
