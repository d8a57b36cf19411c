//! `examples/simulated-machine`: what `make run` starts. Data moves at once, the command line shows it, and what the node
//! keeps of it is there after a restart.

use serde_json::Value;

use super::{example, of_repository};
use crate::mosquitto::Subscriber;
use crate::node::Node;

const REPORT: &str = "factory/press/report";

/// What `make run` sets, from this folder.
fn settings_of_make_run() -> Vec<String> {
    let makefile = std::fs::read_to_string(of_repository("Makefile")).unwrap();
    let (_, recipe) = makefile.split_once("\nrun:").unwrap();
    let (recipe, _) = recipe.split_once("\n\n").unwrap();
    let settings = recipe.split("--set ").skip(1).map(|text| text.split_whitespace().next().unwrap().replace('\'', ""));
    settings.map(|setting| setting.replace("examples/simulated-machine", &example("simulated-machine"))).collect()
}

fn start(more: &[&str]) -> Node {
    let settings = settings_of_make_run();
    let settings: Vec<&str> = settings.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Node::start_with(&settings)
}

#[test]
fn data_moves_after_the_start() {
    let node = start(&["flows.machine-watch.parameters.window=300ms", "flows.simulated-machine.parameters.line=line7"]);
    let output = node.command_line(&["sub", "#", "--count", "5"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(lines.contains("plc/line7/press {\"temperature_f\":"), "{lines}");

    let subscriber = Subscriber::start(&node, &["factory/press/telemetry"]);
    for payload in subscriber.await_payloads("factory/press/telemetry", 3) {
        let telemetry: Value = serde_json::from_str(&payload).unwrap();
        let mean = telemetry["temperature"]["mean"].as_f64().unwrap();
        // The press swings by 9 °F around 86 °F, which are 30 °C.
        assert!((24.0..36.0).contains(&mean), "{payload}");
        assert!(telemetry["window"]["count"].as_u64().unwrap() >= 1, "{payload}");
    }
}

/// The first and the last offset that a report is made of.
fn offsets(report: &str) -> (u64, u64) {
    let report: Value = serde_json::from_str(report).unwrap();
    let of = |end: &str| report["offset"][end].as_u64().unwrap();
    (of("first"), of("last"))
}

#[test]
fn averages_are_kept_and_the_report_goes_on_where_it_was() {
    let mut node =
        start(&["flows.machine-watch.parameters.window=300ms", "flows.machine-report.parameters.averages=2"]);
    let subscriber = Subscriber::start(&node, &[REPORT]);
    // The first may be retained, and come as it is published too.
    let mut reports = subscriber.await_payloads(REPORT, 3);
    reports.dedup();
    assert!(reports.windows(2).all(|two| offsets(&two[1]).0 == offsets(&two[0]).1 + 1), "{reports:?}");
    node.terminate();
    assert!(node.await_end().success());
    let last = subscriber.payloads(REPORT).iter().map(|report| offsets(report).1).max().unwrap();
    let node = node.start_again();
    let peeked = node.command_line(&["stream", "peek", "telemetry", "--max", "4"]);
    assert_eq!(String::from_utf8(peeked.stdout).unwrap().lines().count(), 4);
    let subscriber = Subscriber::start(&node, &[REPORT]);
    // The first may be the last one before the stop, which is retained; none of its averages comes again.
    let reports = subscriber.await_payloads(REPORT, 3);
    let is_retained = usize::from(offsets(&reports[0]).1 == last);
    assert!(reports[is_retained..].iter().all(|report| offsets(report).0 > last), "{last}, then {reports:?}");
}
