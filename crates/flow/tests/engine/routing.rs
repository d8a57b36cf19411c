//! Which way messages take.

use crate::bench::{Bench, flow};

const FRAGILE: &str = "\n[modules.fragile]\ntype = \"test-fragile\"\n";

fn connect(from: &str, to: &str, rest: &str) -> String {
    format!("\n[[connections]]\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}\n")
}

#[test]
fn a_connection_without_a_condition_is_always_taken() {
    let mut bench = Bench::new(&flow(&(connect("source", "a", "") + &connect("source", "b", ""))));
    bench.send("in", "1");
    assert_eq!(bench.published(), ["a 1", "b 1"]);
}

#[test]
fn every_connection_whose_condition_is_true_is_taken() {
    let hot = connect("source", "a", r#"route = "var route = message.data.t > 30;""#);
    let limit = connect("source", "b", r#"route = "message.data.t > limit - 10""#);
    let mut bench = Bench::new(&flow(&(hot + &limit)));
    for t in [10, 25, 35] {
        bench.send("in", &format!("{{\"t\":{t}}}"));
    }
    assert_eq!(bench.published(), ["b {\"t\":25}", "a {\"t\":35}", "b {\"t\":35}"]);
}

#[test]
fn a_condition_that_fails_is_counted_and_hurts_no_other_branch() {
    let broken = connect("source", "a", r#"route = "message.no.such.member > 1""#);
    let mut bench = Bench::new(&flow(&(broken + &connect("source", "b", ""))));
    bench.send("in", "{}");
    assert_eq!(bench.published(), ["b {}"]);
    assert_eq!(bench.errors_of("source"), 1);
    let logged = bench.world.debug.logged.lock().unwrap().join("\n");
    assert!(logged.contains("the route condition of the connection to `a` failed"), "{logged}");
}

#[test]
fn each_itinerary_has_an_id_of_its_own() {
    let name = "\n[modules.name]\ntype = \"script\"\nwith.code = \"message.data = context.itinerary;\"\n";
    let arrows = connect("source", "name", "") + &connect("name", "a", "");
    let mut bench = Bench::new(&flow(&(name.to_owned() + &arrows)));
    bench.send("in", "0");
    bench.send("in", "0");
    let published = bench.published();
    assert!(published.len() == 2 && published[0] != published[1], "{published:?}");
}

#[test]
fn a_branch_changes_its_own_copy() {
    let middle = r#"
[modules.change]
type = "script"
with.code = "message.data.x = 2; limit = 99;"
"#;
    let arrows = connect("source", "change", "") + &connect("source", "b", "") + &connect("change", "a", "");
    let mut bench = Bench::new(&flow(&(middle.to_owned() + &arrows)));
    bench.send("in", "{\"x\":1}");
    assert_eq!(bench.published(), ["a {\"x\":2}", "b {\"x\":1}"]);
}

#[test]
fn a_cycle_ends_with_a_fault_and_not_with_the_node() {
    let cycle = connect("source", "fragile", "")
        + &connect("fragile", "fragile", r#"route = "message.data.again""#)
        + &connect("fragile", "a", r#"route = "!message.data.again""#);
    let mut bench = Bench::new(&flow(&(FRAGILE.to_owned() + &cycle)));
    bench.send("in", "{\"again\":true}");
    bench.send("in", "{\"again\":false}");
    assert_eq!(bench.published(), ["a {\"again\":false}"]);
    assert_eq!(bench.errors_of("fragile"), 1);
}

#[test]
fn order_is_kept_over_batches() {
    let mut bench = Bench::new(&flow(&connect("source", "a", "")));
    for number in 0..500 {
        bench.world.broker.send("in", number.to_string().as_bytes());
    }
    bench.settle();
    let expected: Vec<String> = (0..500).map(|number| format!("a {number}")).collect();
    assert_eq!(bench.published(), expected);
}
