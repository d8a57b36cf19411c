//! One HTTP path and verb that two modules of the flow want to open.

use super::inspection::{Findings, Inspection};
use super::{Claim, Place, Problem, overlap};

pub(super) fn check(_: &Inspection<'_>, findings: &mut Findings) {
    let mut problems = Vec::new();
    for (place, (module, claim)) in findings.claims.iter().enumerate() {
        let taken = findings.claims.iter().take(place).find(|(_, earlier)| endpoints_collide(earlier, claim));
        if let (Some((other, _)), Claim::Endpoint { path, verb }) = (taken, claim) {
            let what = format!("{verb} /{path} is already opened by module `{other}`");
            problems.push(Problem::error(Place::module(module), what, "change the path or the verb of one of them"));
        }
    }
    findings.problems.append(&mut problems);
}

/// Whether one request could be meant for both endpoints.
pub(super) fn endpoints_collide(one: &Claim, other: &Claim) -> bool {
    match (one, other) {
        (Claim::Endpoint { path: one, verb: first }, Claim::Endpoint { path: other, verb: second }) => {
            verbs_meet(first, second) && overlap(trim_path(one), trim_path(other))
        }
        _ => false,
    }
}

/// Whether two verbs have one in common: `ALL` stands for every verb.
pub(crate) fn verbs_meet(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || [one, other].iter().any(|verb| verb.eq_ignore_ascii_case("ALL"))
}

/// A path without its leading slash: it may be written with or without.
pub(crate) fn trim_path(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::{expect_clean, expect_problems};

    #[test]
    fn one_path_and_verb_is_opened_once() {
        let two = |first: &str, second: &str| {
            format!(
                "[modules.a]\ntype = \"test-endpoint\"\nwith = {first}\n[modules.b]\ntype = \"test-endpoint\"\nwith = {second}\n"
            )
        };
        expect_problems(
            &two("{ path = \"line/+\", verb = \"GET\" }", "{ path = \"line/1\", verb = \"ALL\" }"),
            &["modules.b: ALL /line/1 is already opened by module `a` (change the path or the verb of one of them)"],
        );
        expect_clean(&two("{ path = \"line/1\", verb = \"GET\" }", "{ path = \"line/1\", verb = \"POST\" }"));
        expect_clean(&two("{ path = \"line/1\", verb = \"GET\" }", "{ path = \"line/2\", verb = \"GET\" }"));
    }
}
