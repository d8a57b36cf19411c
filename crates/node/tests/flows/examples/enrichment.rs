//! `examples/enrichment`: metadata fetched on a timer into a persistent store, a fast stream enriched from it.

use serde_json::{Value, json};

use super::{deploy, example};
use crate::database::Database;
use crate::mosquitto::{Publisher, Subscriber, publish};
use crate::node::Node;
use crate::patience::eventually;

const MACHINES: &str = "CREATE TABLE machines (machine TEXT PRIMARY KEY, product TEXT, customer TEXT, limit_c REAL);
     INSERT INTO machines VALUES ('press', 'bumper', 'ACME', 45), ('oven', 'paint', 'ACME', 180)";

/// What the store knows of a machine, by the command line.
fn known(node: &Node, machine: &str) -> Option<Value> {
    let output = node.command_line(&["kv", "get", "machines", machine]);
    serde_json::from_slice(&output.stdout).ok()
}

#[test]
fn a_stream_is_enriched_from_what_a_timer_fetches_also_after_a_restart_without_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let machines = Database::new(folder.path().join("machines.db"));
    machines.run(MACHINES).unwrap();
    let mut node = Node::start_with(&[
        &format!("flows.fetch-metadata.parameters.database={}", machines.url()),
        "flows.fetch-metadata.parameters.interval=100ms",
    ]);
    deploy(&node, &["fetch-metadata", "enrich"].map(|flow| example(&format!("enrichment/{flow}.toml"))));
    let metadata =
        |product: &str| json!({ "machine": "press", "product": product, "customer": "ACME", "limit_c": 45.0 });
    let await_known = |product: &str| {
        let wanted = metadata(product);
        eventually(&format!("{product} in the store"), || known(&node, "press").filter(|it| *it == wanted));
    };
    await_known("bumper");
    let subscriber = Subscriber::start(&node, &["enriched/#", "unknown/#"]);
    let mut press = Publisher::start(&node, "readings/press");
    (0..500).for_each(|reading| press.send(&format!("{{\"temperature\":{reading}}}")));
    press.finish();
    publish(&node, "readings/robot", "{\"temperature\":1}");
    for (reading, payload) in subscriber.await_payloads("enriched/press", 500).iter().enumerate() {
        let expected =
            json!({ "machine": "press", "reading": { "temperature": reading }, "metadata": metadata("bumper") });
        assert_eq!(serde_json::from_str::<Value>(payload).unwrap(), expected);
    }
    let unknown = json!({ "machine": "robot", "reading": { "temperature": 1 }, "metadata": null });
    let payloads = subscriber.await_payloads("unknown/robot", 1);
    assert_eq!(serde_json::from_str::<Value>(&payloads[0]).unwrap(), unknown);

    // The timer goes on fetching.
    machines.run("UPDATE machines SET product = 'door' WHERE machine = 'press'").unwrap();
    await_known("door");

    node.kill();
    std::fs::rename(machines.path(), folder.path().join("away.db")).unwrap();
    let node = node.start_again();
    let subscriber = Subscriber::start(&node, &["enriched/#"]);
    publish(&node, "readings/press", "{\"temperature\":41}");
    let payloads = subscriber.await_payloads("enriched/press", 1);
    assert_eq!(serde_json::from_str::<Value>(&payloads[0]).unwrap()["metadata"], metadata("door"));
}
