//! What waits, where, and what happens when there is no more room.

use std::sync::atomic::Ordering;

use flow::run::Progress;

use crate::bench::{Bench, flow};

const STORED: &str = r#"
[modules.store]
type = "kv-set"
with = { store = "s", key = "{data.k}", source = "data", persistent = true }

[[connections]]
from = "source"
to = "store"

[[connections]]
from = "store"
to = "a"
"#;

#[test]
fn a_flow_that_is_held_back_takes_nothing_new() {
    let mut bench = Bench::new(&flow("\n[[connections]]\nfrom = \"source\"\nto = \"a\"\n"));
    let gate = std::sync::Arc::<crate::harness::Gate>::default();
    *bench.world.broker.full.lock().unwrap() = Some(gate.clone());
    bench.send("in", "1");
    bench.send("in", "2");
    assert_eq!(bench.published(), ["a 1"]);
    gate.open();
    bench.settle();
    assert_eq!(bench.published(), ["a 1", "a 2"]);
}

#[test]
fn results_of_waiting_steps_leave_in_order() {
    let mut bench = Bench::new(&flow(STORED));
    for number in 0..5 {
        bench.send("in", &format!("{{\"k\":\"{number}\"}}"));
    }
    assert!(bench.published().is_empty());
    bench.world.stores.gate.open();
    bench.settle();
    let expected: Vec<String> = (0..5).map(|number| format!("a {{\"k\":\"{number}\"}}")).collect();
    assert_eq!(bench.published(), expected);
}

#[test]
fn a_full_queue_slows_the_source_and_loses_nothing() {
    let small = STORED.replace("[modules.store]\n", "[modules.store]\nqueue = { max = 4 }\n");
    let mut bench = Bench::new(&flow(&small));
    for number in 0..1_000 {
        bench.world.broker.send("in", format!("{{\"k\":\"{number}\"}}").as_bytes());
    }
    bench.settle();
    let begun = bench.plan.figures.begun.load(Ordering::Relaxed);
    assert!(begun < 400, "{begun} itineraries have begun though the store answers none");
    bench.world.stores.gate.open();
    bench.settle();
    assert_eq!(bench.published().len(), 1_000);
}

#[test]
fn a_full_queue_that_drops_says_how_many() {
    for (when_full, kept) in [("drop-oldest", "999"), ("drop-write", "0")] {
        let spec = format!("[modules.store]\nqueue = {{ max = 4, when_full = \"{when_full}\" }}\n");
        let mut bench = Bench::new(&flow(&STORED.replace("[modules.store]\n", &spec)));
        for number in 0..1_000 {
            bench.world.broker.send("in", format!("{{\"k\":\"{number}\"}}").as_bytes());
        }
        bench.settle();
        bench.world.stores.gate.open();
        bench.settle();
        let store = bench.plan.modules.iter().find(|module| module.id.as_str() == "store").unwrap();
        let dropped = store.figures.dropped.load(Ordering::Relaxed);
        let published = bench.published();
        assert_eq!(published.len() as u64 + dropped, 1_000, "{when_full}");
        assert!(dropped > 900, "{when_full}: {dropped}");
        assert!(published.contains(&format!("a {{\"k\":\"{kept}\"}}")), "{when_full}");
    }
}

#[test]
fn closing_ends_what_has_begun() {
    let mut bench = Bench::new(&flow(STORED));
    bench.send("in", "{\"k\":\"1\"}");
    bench.worker.close();
    assert!(matches!(bench.settle(), Progress::Idle { .. }));
    bench.world.stores.gate.open();
    assert_eq!(bench.settle(), Progress::Drained);
    assert_eq!(bench.published(), ["a {\"k\":\"1\"}"]);
}
