//! Deploying under load: flows are switched to new versions while messages come in at QoS 1, and none is lost.
//!
//! What is promised: every message goes through exactly one version, and all in order, as the new version begins when the
//! old one has ended its work. The messages are those of a machine that sends 5,000 a second; how fast they come here
//! depends on what else the machine has to do, and is not judged.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;

use crate::flow_text::{chain, publish, script_flow, subscribe};
use crate::mosquitto::{Publisher, Subscriber};
use crate::node::Node;
use crate::patience::pause;
use crate::web_server::WebServer;

const REDEPLOYS_OF_KPI: usize = 100;
const REDEPLOYS_OF_ACQUISITION: usize = 5;
/// What a machine sends that goes on at 5,000 a second for the time of the redeploys.
const MESSAGES: usize = MESSAGES_PER_TURN * (REDEPLOYS_OF_KPI + 1);
/// Messages that are sent while one version is deployed.
const MESSAGES_PER_TURN: usize = 250;

/// Reads the numbers that a machine sends.
fn acquisition(edition: usize) -> String {
    let code = format!("message.data = {{ number: message.data, acquisition: {edition} }};");
    script_flow("acquisition", "plc/line1", &code, "factory/line1")
}

/// Works on what `acquisition` publishes.
fn kpi(edition: usize) -> String {
    format!(
        "id = \"kpi\"\n\
         modules.in = {{ type = \"mqtt-sub-broker\", with = {{ topic = \"factory/line1\", qos = 1 }} }}\n\
         modules.scale = {{ type = \"scale\", with = {{ source = \"data.number\", target = \"data.kpi\", factor = 0, offset = {edition} }} }}\n\
         modules.out = {{ type = \"mqtt-pub-broker\", with = {{ topic = \"kpi/line1\", qos = 1 }} }}\n\
         connections = [{{ from = \"in\", to = \"scale\" }}, {{ from = \"scale\", to = \"out\" }}]\n"
    )
}

/// Sends the numbers from 0 on, 5,000 a second, a turn at a time.
fn send_numbers(mut machine: Publisher, turns: &Receiver<()>) {
    let mut numbers = 0..MESSAGES;
    while turns.recv().is_ok() {
        for _ in 0..MESSAGES_PER_TURN / 50 {
            numbers.by_ref().take(50).for_each(|number| machine.send(&number.to_string()));
            pause(Duration::from_millis(10));
        }
    }
    machine.finish();
}

/// What came on a topic: every number once, in order, and by versions that followed one another. Gives the last version.
fn check_numbers(subscriber: &Subscriber, topic: &str, edition: &str) -> u64 {
    let payloads = subscriber.await_payloads(topic, MESSAGES);
    let payloads: Vec<Value> = payloads.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let numbers = payloads.iter().map(|payload| payload["number"].as_u64().unwrap());
    assert!(numbers.clone().eq(0..MESSAGES as u64), "on {topic}: {:?}", numbers.collect::<Vec<_>>());
    let editions: Vec<u64> = payloads.iter().map(|payload| payload[edition].as_f64().unwrap() as u64).collect();
    assert!(editions.is_sorted(), "on {topic}: {editions:?}");
    editions[MESSAGES - 1]
}

#[test]
fn no_message_is_lost_doubled_or_overtaken_while_flows_are_redeployed_under_load() {
    let node = Node::start();
    node.deploy("acquisition", &acquisition(0));
    node.deploy("kpi", &kpi(0));
    let behind_acquisition = Subscriber::start(&node, &["factory/line1"]);
    let behind_kpi = Subscriber::start(&node, &["kpi/line1"]);
    let machine = Publisher::start(&node, "plc/line1");
    std::thread::scope(|scope| {
        let (turn, turns) = sync_channel(0);
        scope.spawn(move || send_numbers(machine, &turns));
        for edition in 1..=REDEPLOYS_OF_KPI {
            turn.send(()).unwrap();
            node.deploy("kpi", &kpi(edition));
            if edition.is_multiple_of(REDEPLOYS_OF_KPI / REDEPLOYS_OF_ACQUISITION) {
                node.deploy("acquisition", &acquisition(edition));
            }
        }
        // For the last version.
        turn.send(()).unwrap();
    });
    assert_eq!(check_numbers(&behind_acquisition, "factory/line1", "acquisition"), REDEPLOYS_OF_KPI as u64);
    assert_eq!(check_numbers(&behind_kpi, "kpi/line1", "kpi"), REDEPLOYS_OF_KPI as u64);
    for (flow, version) in [("kpi", REDEPLOYS_OF_KPI + 1), ("acquisition", REDEPLOYS_OF_ACQUISITION + 1)] {
        let state = node.flow(flow);
        assert_eq!((&state["status"], &state["version"]), (&"running".into(), &version.into()));
        assert_eq!((&state["figures"]["crashes"], &state["figures"]["dropped"]), (&0.into(), &0.into()));
    }
}

/// A flow whose step waits for a server. Each version calls another path, so that the server can tell them apart.
fn upload(edition: usize, server: &WebServer) -> String {
    let call = format!(
        "{{ type = 'http-request', with = {{ url = '{}/{edition}', verb = 'POST', in_flight = 1, timeout = '10m' }} }}",
        server.url()
    );
    chain("upload", &[&subscribe("upload/in"), &call, &publish("upload/out")])
}

#[test]
fn a_version_waits_for_its_turn_as_long_as_the_one_before_waits_for_the_world() {
    let node = Node::start();
    let server = WebServer::start_closed();
    let states = Subscriber::start(&node, &["$SYS/headwater/flows/upload/state"]);
    let subscriber = Subscriber::start(&node, &["upload/out"]);
    node.deploy("upload", &upload(0, &server));
    let mut machine = Publisher::start(&node, "upload/in");
    (0..300).for_each(|number| machine.send(&number.to_string()));
    node.await_flow("upload", "waits for the server", |state| state["figures"]["modules"][1]["waiting"] != 0);
    for edition in 1..=2 {
        node.deploy("upload", &upload(edition, &server));
    }
    (300..600).for_each(|number| machine.send(&number.to_string()));
    machine.finish();
    let told = |state: &str| state.contains("\"version\":3") && state.contains("so that messages stay in order");
    states.await_payload("$SYS/headwater/flows/upload/state", "why the new version waits", told);
    assert!(node.flow("upload")["text"].as_str().unwrap().starts_with("waits until the version before has ended"));
    server.open();
    let numbers: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    assert_eq!(subscriber.await_payloads("upload/out", 600), numbers);
    let posts = server.posts();
    let posted: Vec<&String> = posts.iter().map(|(_, body)| body).collect();
    assert!(posted.into_iter().eq(&numbers), "{posts:?}");
    assert_eq!((posts[0].0.as_str(), posts[599].0.as_str()), ("/0", "/2"));
    node.await_flow("upload", "has begun", |state| state["text"] == "");
}

#[test]
fn a_version_that_does_not_start_leaves_the_one_that_runs_alone() {
    let node = Node::start();
    node.deploy("acquisition", &acquisition(0));
    let subscriber = Subscriber::start(&node, &["factory/line1"]);
    let broken = acquisition(1).replace("message.data =", "message.data ==== ");
    let refused = node.try_deploy("acquisition", &broken);
    assert_eq!(refused.status, 422, "{}", refused.body);
    crate::mosquitto::publish(&node, "plc/line1", "7");
    assert_eq!(subscriber.await_payloads("factory/line1", 1), [r#"{"number":7,"acquisition":0}"#]);
    assert_eq!(node.flow("acquisition")["version"], 1);
}
