//! How flows are joined: by topics that one publishes and another subscribes to, by persistent stores, and with the
//! world by HTTP and databases.

use axum::Json;
use axum::extract::State;
use flow::check::Claim;
use message::ModuleId;
use serde::Serialize;

use super::ApiState;
use crate::flows::FlowState;

/// The deployed flows, what they touch, and how they are joined by it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Graph {
    flows: Vec<GraphFlow>,
    links: Vec<Link>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct GraphFlow {
    id: String,
    name: String,
    status: &'static str,
    touches: Vec<Touch>,
}

/// Something outside of the flow that a module touches.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Touch {
    module: String,
    /// What and how, by `kind`: `subscribe`, `publish`, `endpoint`, `request`, `store` or `database`.
    #[schema(value_type = Object)]
    what: Claim,
}

/// What one module writes, another one reads.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
struct Link {
    from: End,
    to: End,
    /// `topic` or `store`.
    by: &'static str,
    /// The topic filter that the reader subscribes to, or the name of the store.
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
struct End {
    flow: String,
    module: String,
}

/// Says how the deployed flows are joined.
#[utoipa::path(get, path = "/api/v1/graph", tag = "flows", responses((status = 200, body = Graph)))]
pub(super) async fn graph(State(api): State<ApiState>) -> Json<Graph> {
    let states = api.library.states();
    let claims: Vec<(End, Claim)> = states.iter().flat_map(claims_of).collect();
    let flows = states.iter().map(|state| GraphFlow {
        id: state.id.as_str().to_owned(),
        name: state.plan.flow.title().to_owned(),
        status: state.condition.status.name(),
        touches: state.plan.claims.iter().map(touch).collect(),
    });
    Json(Graph { flows: flows.collect(), links: links(&claims) })
}

fn touch((module, claim): &(ModuleId, Claim)) -> Touch {
    Touch { module: module.as_str().to_owned(), what: claim.clone() }
}

fn claims_of(state: &FlowState) -> Vec<(End, Claim)> {
    let end = |module: &ModuleId| End { flow: state.id.as_str().to_owned(), module: module.as_str().to_owned() };
    state.plan.claims.iter().map(|(module, claim)| (end(module), claim.clone())).collect()
}

/// Joins every writer with every reader of the same.
fn links(claims: &[(End, Claim)]) -> Vec<Link> {
    let mut links = Vec::new();
    for (from, written) in claims {
        for (to, read) in claims.iter().filter(|(to, _)| to != from) {
            if let Some((by, name)) = joined(written, read) {
                links.push(Link { from: from.clone(), to: to.clone(), by, name });
            }
        }
    }
    links
}

fn joined(written: &Claim, read: &Claim) -> Option<(&'static str, String)> {
    match (written, read) {
        (Claim::Publish { filter: topic }, Claim::Subscribe { filter }) if may_meet(topic, filter) => {
            Some(("topic", filter.to_string()))
        }
        (
            Claim::Store { store, persistent: true, writes: true },
            Claim::Store { store: other, persistent: true, writes: false },
        ) if store == other => Some(("store", store.as_str().to_owned())),
        _ => None,
    }
}

/// Whether there is a topic that both filters match.
fn may_meet(left: &str, right: &str) -> bool {
    let right = match right.strip_prefix("$share/") {
        Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
        None => right,
    };
    // A wildcard in the first place does not match topics that begin with `$`.
    let begins_with = |filter: &str, signs: &[char]| filter.starts_with(signs);
    if begins_with(left, &['$']) && begins_with(right, &['+', '#'])
        || begins_with(right, &['$']) && begins_with(left, &['+', '#'])
    {
        return false;
    }
    let (mut left, mut right) = (left.split('/'), right.split('/'));
    loop {
        match (left.next(), right.next()) {
            (Some("#"), _) | (_, Some("#")) => return true,
            (None, None) => return true,
            (Some(one), Some(other)) if one == "+" || other == "+" || one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::StoreName;

    #[test]
    fn filters_meet_when_one_topic_matches_both() {
        for (left, right, meet) in [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/+/c", "a/b/+", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("+/b", "#", true),
            ("a/b", "$share/group/a/+", true),
            ("a/b", "$share/group/c/+", false),
            ("$SYS/x", "#", false),
            ("#", "$SYS/x", false),
            ("$SYS/x", "$SYS/#", true),
        ] {
            assert_eq!(may_meet(left, right), meet, "{left} {right}");
        }
    }

    #[test]
    fn writers_are_joined_with_readers() {
        let end = |flow: &str| End { flow: flow.to_owned(), module: "m".to_owned() };
        let store = |writes, persistent| Claim::Store { store: StoreName::parse("meta").unwrap(), persistent, writes };
        let claims = [
            (end("a"), Claim::Publish { filter: "factory/+/temperature".into() }),
            (end("b"), Claim::Subscribe { filter: "factory/#".into() }),
            (end("c"), store(true, true)),
            (end("d"), store(false, true)),
            (end("e"), store(false, false)),
        ];
        let link = |from, to, by, name: &str| Link { from: end(from), to: end(to), by, name: name.to_owned() };
        assert_eq!(links(&claims), [link("a", "b", "topic", "factory/#"), link("c", "d", "store", "meta")]);
    }
}
