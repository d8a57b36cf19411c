//! Deploying under load: flows are switched to new versions while messages come in at QoS 1, and none is lost.
//!
//! What is promised: every message goes through exactly one version, and all in order, as the new version begins when the
//! old one has ended its work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::flow_text::script_flow;
use crate::mosquitto::{Publisher, Subscriber};
use crate::neighbour::StopAtEnd;
use crate::node::Node;
use crate::patience::pause;

const REDEPLOYS_OF_KPI: usize = 20;
const REDEPLOYS_OF_ACQUISITION: usize = 5;

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

/// Sends numbers from 0 on, some 2,000 a second, until told to stop. Returns how many.
fn send_numbers(mut machine: Publisher, stop: &AtomicBool) -> usize {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..20 {
            machine.send(&sent.to_string());
            sent += 1;
        }
        pause(Duration::from_millis(10));
    }
    machine.finish();
    sent
}

/// What came on a topic: every number once, in order.
fn check_numbers(subscriber: &Subscriber, topic: &str, sent: usize) {
    let payloads = subscriber.await_payloads(topic, sent);
    let number = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap()["number"].as_u64().unwrap();
    let numbers: Vec<u64> = payloads.iter().map(number).collect();
    assert_eq!(numbers, (0..sent as u64).collect::<Vec<_>>(), "on {topic}");
}

#[test]
fn no_message_is_lost_or_doubled_while_flows_are_redeployed_under_load() {
    let node = Node::start();
    node.deploy("acquisition", &acquisition(0));
    node.deploy("kpi", &kpi(0));
    let subscriber = Subscriber::start(&node, &["factory/line1", "kpi/line1"]);
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let machine = Publisher::start(&node, "plc/line1");
        let sending = scope.spawn(|| send_numbers(machine, &stop));
        let stopping = StopAtEnd(&stop);
        subscriber.await_payloads("kpi/line1", 1);
        for edition in 1..=REDEPLOYS_OF_KPI {
            node.deploy("kpi", &kpi(edition));
            if edition.is_multiple_of(REDEPLOYS_OF_KPI / REDEPLOYS_OF_ACQUISITION) {
                node.deploy("acquisition", &acquisition(edition));
            }
            // Each version has work before the next one comes.
            let seen = format!("\"kpi\":{edition}.");
            subscriber.await_payload("kpi/line1", "the work of the new version", |payload| payload.contains(&seen));
        }
        drop(stopping);
        sending.join().unwrap()
    });
    check_numbers(&subscriber, "factory/line1", sent);
    check_numbers(&subscriber, "kpi/line1", sent);
    for (flow, version) in [("kpi", REDEPLOYS_OF_KPI + 1), ("acquisition", REDEPLOYS_OF_ACQUISITION + 1)] {
        let state = node.flow(flow);
        assert_eq!((&state["status"], &state["version"]), (&"running".into(), &version.into()));
        assert_eq!((&state["figures"]["crashes"], &state["figures"]["dropped"]), (&0.into(), &0.into()));
    }
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
