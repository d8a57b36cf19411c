//! What happens by time, and what a flow passes on when it is closed.

use flow::run::Progress;
use message::Moment;

use crate::bench::{Bench, flow};

const BATCHED: &str = r#"
[modules.batch]
type = "batch"
with = { count = 100, max_wait = "10s" }

[[connections]]
from = "source"
to = "batch"

[[connections]]
from = "batch"
to = "a"
"#;

#[test]
fn a_flow_says_when_it_wants_to_be_polled() {
    let mut bench = Bench::new(&flow(BATCHED));
    assert_eq!(bench.settle(), Progress::Idle { until: None });
    let due = Moment::since_start(std::time::Duration::from_secs(10));
    assert_eq!(bench.send("in", "1"), Progress::Idle { until: Some(due) });
    bench.at(9_999);
    assert_eq!(bench.published().len(), 0);
    bench.at(10_000);
    assert_eq!(bench.published().len(), 1);
}

#[test]
fn a_closed_flow_is_in_order_once_only_what_failed_is_left() {
    let fragile = "\n[modules.fragile]\ntype = \"test-fragile\"\nretry = { max = 1, delay_ms = 100 }\n\
                   [[connections]]\nfrom = \"source\"\nto = \"fragile\"\n\
                   [[connections]]\nfrom = \"fragile\"\nto = \"batch\"\n";
    let batched = BATCHED.replacen("from = \"source\"", "from = \"fragile\"", 1);
    let middle = format!("{fragile}{}", batched.replace("[[connections]]\nfrom = \"fragile\"\nto = \"batch\"\n", ""));
    let mut bench = Bench::new(&flow(&middle));
    bench.send("in", "1");
    bench.send("in", "{\"fail\":true}");
    assert!(!bench.worker.is_in_order(), "it is not closed");
    bench.worker.close();
    assert!(!bench.worker.is_in_order(), "a window is open");
    assert!(matches!(bench.settle(), Progress::Idle { .. }));
    assert_eq!(bench.published(), ["a [1]"]);
    assert!(bench.worker.is_in_order(), "what is left has failed once");
    // It fails for good, goes on as failed, and opens the window again.
    assert_eq!(bench.at(100), Progress::Drained);
    assert_eq!(bench.published().len(), 2);
}

#[test]
fn a_closed_flow_is_not_in_order_while_it_waits_for_the_world() {
    let stored = "\n[modules.store]\ntype = \"kv-set\"\nwith = { store = \"s\", key = \"k\", persistent = true }\n\
                  [[connections]]\nfrom = \"source\"\nto = \"store\"\n[[connections]]\nfrom = \"store\"\nto = \"a\"\n";
    let mut bench = Bench::new(&flow(stored));
    bench.send("in", "1");
    bench.worker.close();
    bench.settle();
    assert!(!bench.worker.is_in_order());
    bench.world.stores.gate.open();
    assert_eq!(bench.settle(), Progress::Drained);
    assert!(bench.worker.is_in_order());
}

#[test]
fn closing_passes_open_windows_on() {
    let mut bench = Bench::new(&flow(BATCHED));
    bench.send("in", "1");
    bench.worker.close();
    assert_eq!(bench.settle(), Progress::Drained);
    assert_eq!(bench.published().len(), 1);
}
