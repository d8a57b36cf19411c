//! Pictures of flows that meet in various ways.

use super::*;
use message::StoreName;

/// The edges as `from -> to (modules)`, the loose ends as `id unread`.
fn drawn(flows: &[(&str, Vec<(&str, Claim)>)]) -> Vec<String> {
    let owned: Vec<(FlowId, Vec<(ModuleId, Claim)>)> = flows
        .iter()
        .map(|(flow, claims)| {
            let claims = claims.iter().map(|(module, claim)| (ModuleId::parse(module).unwrap(), claim.clone()));
            (FlowId::parse(flow).unwrap(), claims.collect())
        })
        .collect();
    let touches = owned.iter().map(|(id, claims)| FlowTouches { id, title: "", claims });
    let picture = graph(touches, &["127.0.0.1:9090".to_owned()]);
    let modules = |edge: &Edge| edge.modules.iter().map(ModuleId::as_str).collect::<Vec<_>>().join(", ");
    let edges = picture.edges.iter().map(|edge| format!("{} -> {} ({})", edge.from, edge.to, modules(edge)));
    let loose = picture.junctions.iter().filter_map(|junction| Some((junction, junction.loose?)));
    let loose = loose.map(|(junction, loose)| match loose {
        LooseEnd::Unread => format!("{} unread", junction.id),
        LooseEnd::Unfed => format!("{} unfed", junction.id),
    });
    edges.chain(loose).collect()
}

fn publish(filter: &str) -> Claim {
    Claim::Publish { filter: filter.into() }
}

fn subscribe(filter: &str) -> Claim {
    Claim::Subscribe { filter: filter.into(), durable: false }
}

fn store(name: &str, persistent: bool, writes: bool) -> Claim {
    Claim::Store { store: StoreName::parse(name).unwrap(), persistent, writes }
}

fn endpoint(verb: &str, path: &str) -> Claim {
    Claim::Endpoint { path: path.into(), verb: verb.into() }
}

fn request(verb: &str, url: &str) -> Claim {
    Claim::Request { url: url.into(), verb: verb.into() }
}

#[test]
fn topics_join_publishers_with_every_subscription_that_may_get_them() {
    assert_eq!(
        drawn(&[
            ("a", vec![("out", publish("factory/+/temperature")), ("alarm", publish("factory/alarm"))]),
            ("b", vec![("in", subscribe("factory/#"))]),
            (
                "c",
                vec![("in", subscribe("$share/g/factory/l1/temperature")), ("two", subscribe("factory/+/temperature"))]
            ),
        ]),
        [
            "flow:a -> topic:factory/+/temperature (out)",
            "flow:a -> topic:factory/alarm (alarm)",
            "topic:factory/+/temperature -> flow:b (in)",
            "topic:factory/+/temperature -> flow:c (in, two)",
            "topic:factory/alarm -> flow:b (in)",
        ]
    );
}

#[test]
fn topics_that_no_flow_reads_or_feeds_are_flagged() {
    assert_eq!(
        drawn(&[("a", vec![("in", subscribe("plc/+")), ("out", publish("x")), ("sys", subscribe("$SYS/#"))])]),
        [
            "flow:a -> topic:x (out)",
            "topic:$SYS/# -> flow:a (sys)",
            "topic:plc/+ -> flow:a (in)",
            "topic:plc/+ unfed",
            "topic:x unread",
        ]
    );
}

#[test]
fn persistent_stores_join_flows_and_those_in_memory_do_not() {
    assert_eq!(
        drawn(&[
            ("a", vec![("set", store("meta", true, true)), ("keep", store("cache", false, true))]),
            ("b", vec![("get", store("meta", true, false)), ("look", store("cache", false, false))]),
        ]),
        [
            "flow:a -> memory-store:a/cache (keep)",
            "flow:a -> store:meta (set)",
            "memory-store:b/cache -> flow:b (look)",
            "store:meta -> flow:b (get)",
            "memory-store:a/cache unread",
            "memory-store:b/cache unfed",
        ]
    );
}

#[test]
fn a_request_to_an_own_endpoint_joins_two_flows_and_all_others_go_outside() {
    assert_eq!(
        drawn(&[
            (
                "a",
                vec![
                    ("own", request("POST", "http://127.0.0.1:9090/mydata?x=1")),
                    ("far", request("GET", "https://k:s@cloud/x"))
                ]
            ),
            ("b", vec![("in", endpoint("ALL", "/mydata")), ("other", endpoint("GET", "line/+"))]),
            ("c", vec![("deaf", request("GET", "http://127.0.0.1:9090/nobody"))]),
        ]),
        [
            "endpoint:ALL /mydata -> flow:b (in)",
            "endpoint:GET /line/+ -> flow:b (other)",
            "flow:a -> endpoint:ALL /mydata (own)",
            "flow:a -> outside:https://cloud/x (far)",
            "flow:c -> endpoint:GET /nobody (deaf)",
            "endpoint:GET /nobody unread",
        ]
    );
}

#[test]
fn databases_join_those_who_write_with_those_who_read() {
    let database = |writes| Claim::Database { url: "sqlite:data.db".into(), writes };
    assert_eq!(
        drawn(&[("a", vec![("insert", database(true))]), ("b", vec![("select", database(false))])]),
        ["database:sqlite:data.db -> flow:b (select)", "flow:a -> database:sqlite:data.db (insert)"]
    );
}

#[test]
fn the_order_of_the_flows_does_not_change_the_picture() {
    let a = ("a", vec![("out", publish("x"))]);
    let b = ("b", vec![("in", subscribe("x")), ("out", publish("y"))]);
    assert_eq!(drawn(&[a.clone(), b.clone()]), drawn(&[b, a]));
}
