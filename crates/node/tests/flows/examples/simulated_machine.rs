//! `examples/simulated-machine`: what `make run` starts. Data moves at once, and the command line shows it.

use serde_json::Value;

use super::example;
use crate::mosquitto::Subscriber;
use crate::node::Node;

#[test]
fn data_moves_after_the_start() {
    let flows = format!("flows_dir={}", example("simulated-machine"));
    let node = Node::start_with(&[
        &flows,
        "flows.machine-watch.parameters.window=300ms",
        "flows.simulated-machine.parameters.line=line7",
    ]);
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
