//! What a flow wants of the node that another flow already has.

use message::{FlowId, ModuleId};

use super::endpoints::endpoints_collide;
use super::stores::{HINT, kinds};
use super::{Claim, Place, Problem};

/// A flow and what its modules touch.
#[derive(Debug, Clone, Copy)]
pub struct FlowClaims<'a> {
    pub flow: &'a FlowId,
    pub claims: &'a [(ModuleId, Claim)],
}

/// Finds what keeps `candidate` from running beside the others. An earlier version of the candidate among the others
/// is no obstacle: it is the one that is replaced.
pub fn conflicts<'a>(candidate: FlowClaims<'_>, others: impl IntoIterator<Item = FlowClaims<'a>>) -> Vec<Problem> {
    let others: Vec<FlowClaims<'a>> = others.into_iter().filter(|other| other.flow != candidate.flow).collect();
    let mut problems = Vec::new();
    for (module, claim) in candidate.claims {
        let taken = others.iter().find_map(|other| {
            let theirs = other.claims.iter().find_map(|(_, theirs)| conflict(module, claim, other.flow, theirs))?;
            Some(theirs)
        });
        problems.extend(taken);
    }
    problems
}

fn conflict(module: &ModuleId, ours: &Claim, flow: &FlowId, theirs: &Claim) -> Option<Problem> {
    match (ours, theirs) {
        (Claim::Endpoint { path, verb }, Claim::Endpoint { path: their_path, verb: their_verb })
            if endpoints_collide(ours, theirs) =>
        {
            let what = format!("{verb} /{path} is taken: flow `{flow}` has opened {their_verb} /{their_path}");
            Some(Problem::error(Place::module(module), what, "change the path or the verb of one of them"))
        }
        (Claim::Store { store, persistent, .. }, Claim::Store { store: their_store, persistent: theirs, .. })
            if store == their_store && persistent != theirs =>
        {
            let (here, there) = kinds(*persistent);
            let what = format!("store `{store}` is {here} here and {there} in flow `{flow}`");
            Some(Problem::error(Place::setting(module, "persistent"), what, HINT))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::StoreName;

    fn endpoint(path: &str, verb: &str) -> Claim {
        Claim::Endpoint { path: path.into(), verb: verb.into() }
    }

    fn store(name: &str, persistent: bool) -> Claim {
        Claim::Store { store: StoreName::parse(name).unwrap(), persistent, writes: true }
    }

    fn expect(ours: Claim, theirs: Claim, expected: &[&str]) {
        let id = |text| FlowId::parse(text).unwrap();
        let module = |text| ModuleId::parse(text).unwrap();
        let (candidate, other) = (id("new"), id("old"));
        let (ours, theirs) = ([(module("here"), ours)], [(module("there"), theirs)]);
        let found = |other: &FlowId| -> Vec<String> {
            conflicts(FlowClaims { flow: &candidate, claims: &ours }, [FlowClaims { flow: other, claims: &theirs }])
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(found(&other), expected);
        assert!(found(&candidate).is_empty(), "a flow is no obstacle to its own next version");
    }

    #[test]
    fn a_path_that_another_flow_has_opened_is_taken() {
        for (ours, theirs) in [
            (("mydata", "POST"), ("mydata", "POST")),
            (("mydata", "POST"), ("mydata", "ALL")),
            (("mydata", "ALL"), ("mydata", "GET")),
            (("line/+", "GET"), ("line/1", "GET")),
            (("line/1", "GET"), ("#", "GET")),
        ] {
            let what = format!(
                "modules.here: {} /{} is taken: flow `old` has opened {} /{} (change the path or the verb of one of them)",
                ours.1, ours.0, theirs.1, theirs.0
            );
            expect(endpoint(ours.0, ours.1), endpoint(theirs.0, theirs.1), &[&what]);
        }
        expect(endpoint("a", "GET"), endpoint("a", "POST"), &[]);
        expect(endpoint("a", "GET"), endpoint("b", "GET"), &[]);
        expect(endpoint("a/+", "GET"), endpoint("a", "GET"), &[]);
    }

    #[test]
    fn a_store_is_in_memory_or_persistent_throughout_the_node() {
        expect(
            store("s", true),
            store("s", false),
            &[
                "modules.here.with.persistent: store `s` is persistent here and in memory in flow `old` (set `persistent` alike in all of them, or name another store)",
            ],
        );
        expect(store("s", true), store("s", true), &[]);
        expect(store("s", false), store("s", false), &[]);
        expect(store("s", true), store("t", false), &[]);
    }
}
