//! `examples/plc-line`: acquisition, upload, bulk insert and key figures as four flows that only topics join.

use serde_json::{Value, json};

use super::{deploy, example};
use crate::database::Database;
use crate::mosquitto::{Publisher, Subscriber};
use crate::node::Node;
use crate::patience::eventually;
use crate::web_server::WebServer;

const FLOWS: [&str; 4] = ["a-acquisition", "b-upload", "c-bulk-insert", "d-kpi"];
const TELEMETRY: &str = "factory/line1/press/telemetry";
const KPI: &str = "factory/line1/press/kpi";

fn parsed(payloads: &[String]) -> Vec<Value> {
    payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect()
}

fn sum(values: &[Value], pointer: &str) -> u64 {
    values.iter().map(|value| value.pointer(pointer).and_then(Value::as_u64).unwrap()).sum()
}

/// The averages, once they are made of so many readings.
fn await_telemetry(subscriber: &Subscriber, readings: u64) -> Vec<Value> {
    eventually(&format!("averages of {readings} readings"), || {
        Some(parsed(&subscriber.payloads(TELEMETRY))).filter(|averages| sum(averages, "/window/count") == readings)
    })
}

fn row(average: &Value) -> Value {
    let of = |pointer: &str| average.pointer(pointer).unwrap();
    json!({
        "line": "line1",
        "machine": "press",
        "temperature_mean": of("/temperature/mean"),
        "pieces": of("/pieces/last"),
        "scrap": of("/scrap/last"),
    })
}

/// Publishes readings as the PLC does: a piece each, every twentieth of them scrap, at 40 °C.
fn produce(node: &Node, pieces: std::ops::RangeInclusive<u64>) {
    let mut plc = Publisher::start(node, "plc/line1/press");
    for piece in pieces {
        plc.send(&format!("{{\"temperature_f\":104,\"pieces\":{piece},\"scrap\":{}}}", piece / 20));
    }
    plc.finish();
}

fn await_rows(database: &Database, averages: &[Value]) {
    let expected: Vec<Value> = averages.iter().map(row).collect();
    // A whole number may stand there as one.
    let mean = "CAST(temperature_mean AS REAL) AS temperature_mean";
    let query = format!("SELECT line, machine, {mean}, pieces, scrap FROM telemetry ORDER BY rowid");
    // The table is not there before its first rows.
    let rows =
        eventually("a row for every average", || database.run(&query).ok().filter(|rows| rows.len() >= expected.len()));
    assert_eq!(rows, expected);
}

fn await_uploads(server: &WebServer, averages: &[Value]) {
    let expected: Vec<(String, Value)> = averages.iter().map(|it| ("/telemetry".to_owned(), it.clone())).collect();
    let posts = eventually("every average at the server", || {
        Some(server.posts()).filter(|posts| posts.len() >= expected.len())
    });
    let parsed = posts.into_iter().map(|(path, body)| (path, serde_json::from_str(&body).unwrap()));
    assert_eq!(parsed.collect::<Vec<(String, Value)>>(), expected);
}

#[test]
fn four_flows_joined_by_topics_do_one_job_and_each_can_be_stopped_alone() {
    let server = WebServer::start();
    let folder = tempfile::tempdir().unwrap();
    let database = Database::new(folder.path().join("plc-line.db"));
    let node = Node::start_with(&[
        "flows.plc-acquisition.parameters.window=200ms",
        &format!("flows.plc-upload.parameters.server={}", server.url()),
        &format!("flows.plc-bulk-insert.parameters.database={}", database.url()),
        "flows.plc-bulk-insert.parameters.max_wait=200ms",
    ]);
    deploy(&node, &FLOWS.map(|flow| example(&format!("plc-line/{flow}.toml"))));
    let subscriber = Subscriber::start(&node, &["factory/#"]);

    produce(&node, 1..=100);
    let averages = await_telemetry(&subscriber, 100);
    for average in &averages {
        let of = |figure: &str| average["temperature"][figure].as_f64();
        assert_eq!((of("mean"), of("max")), (Some(40.0), Some(40.0)), "{average}");
    }
    await_uploads(&server, &averages);
    await_rows(&database, &averages);
    // The first piece was there before anyone counted.
    let kpis = eventually("key figures of every average", || {
        Some(parsed(&subscriber.payloads(KPI))).filter(|kpis| kpis.len() == averages.len())
    });
    assert_eq!((sum(&kpis, "/made"), sum(&kpis, "/bad")), (99, 5));

    node.post("/flows/plc-kpi/stop");
    produce(&node, 101..=200);
    let averages = await_telemetry(&subscriber, 200);
    await_uploads(&server, &averages);
    await_rows(&database, &averages);
    assert_eq!(subscriber.payloads(KPI).len(), kpis.len());
    assert_eq!(subscriber.payloads("factory/upload/failed"), [""; 0]);
}

#[test]
fn the_picture_of_the_line_shows_topics_between_the_flows_and_nothing_else() {
    let node = Node::start();
    deploy(&node, &FLOWS.map(|flow| example(&format!("plc-line/{flow}.toml"))));
    let graph = node.get("/graph");
    let edges = graph["edges"].as_array().unwrap();
    let ends = |end: &str, other: &str, id: &str| -> Vec<String> {
        let of_id = edges.iter().filter(|edge| edge[end] == id);
        of_id.map(|edge| edge[other].as_str().unwrap().to_owned()).collect()
    };
    let telemetry = "topic:factory/line1/+/telemetry";
    assert_eq!(ends("to", "from", telemetry), ["flow:plc-acquisition"]);
    assert_eq!(ends("from", "to", telemetry), ["flow:plc-bulk-insert", "flow:plc-kpi", "flow:plc-upload"]);
    let shared = graph["junctions"].as_array().unwrap().iter().filter(|junction| {
        let id = junction["id"].as_str().unwrap();
        !ends("to", "from", id).is_empty() && !ends("from", "to", id).is_empty()
    });
    assert_eq!(shared.map(|junction| junction["id"].as_str().unwrap()).collect::<Vec<_>>(), [telemetry]);
}
