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
fn closing_passes_open_windows_on() {
    let mut bench = Bench::new(&flow(BATCHED));
    bench.send("in", "1");
    bench.worker.close();
    assert_eq!(bench.settle(), Progress::Drained);
    assert_eq!(bench.published().len(), 1);
}
