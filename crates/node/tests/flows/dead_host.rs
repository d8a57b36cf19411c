//! A flow that calls a host which does not answer waits alone: nobody waits for it, and it goes on when the host is back.

use std::net::TcpListener;

use crate::flow_text::{chain, publish as publish_step, script_flow, subscribe};
use crate::mosquitto::{Publisher, Subscriber, publish};
use crate::neighbour::undisturbed_while;
use crate::node::Node;

/// Posts every number to `url`, and tries again for a long time.
fn upload(url: &str) -> String {
    let call = format!(
        "{{ type = 'http-request', retry = {{ max = 1000, delay_ms = 20, delay_max_ms = 50 }}, \
         with = {{ url = '{url}', verb = 'POST', timeout = '1s' }} }}"
    );
    chain("upload", &[&subscribe("upload/in"), &call, &publish_step("upload/out")])
}

/// A flow that answers what is posted to `/orders`.
fn orders() -> String {
    chain("orders", &["{ type = 'http-listener', with = { path = '/orders', verb = 'POST' } }", "{ type = 'debug' }"])
}

/// An address where nobody listens.
fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/orders", listener.local_addr().unwrap())
}

#[test]
fn what_a_dead_host_does_not_take_waits_and_is_sent_when_the_host_is_back() {
    let node = Node::start();
    node.deploy("upload", &upload(&node.endpoint("/orders")));
    let subscriber = Subscriber::start(&node, &["upload/out"]);
    undisturbed_while(&node, || {
        let mut publisher = Publisher::start(&node, "upload/in");
        (0..50).for_each(|number| publisher.send(&number.to_string()));
        publisher.finish();
        let state = node.await_flow("upload", "has failed some times", |state| {
            state["figures"]["modules"][1]["errors"].as_u64().unwrap() > 60
        });
        assert_eq!((&state["status"], &state["figures"]["failed"]), (&"running".into(), &0.into()));
        assert!(state["figures"]["modules"][1]["last_error"].as_str().unwrap().contains("404"), "{state}");
        node.deploy("orders", &orders());
        let mut sent = subscriber.await_payloads("upload/out", 50);
        sent.sort_by_key(|number| number.parse::<u32>().unwrap());
        assert_eq!(sent, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn a_flow_that_waits_for_a_dead_host_can_be_changed_and_nobody_waits_for_that() {
    let node = Node::start();
    let states = Subscriber::start(&node, &["$SYS/headwater/flows/+/state"]);
    undisturbed_while(&node, || {
        node.deploy("upload", &upload(&dead_url()));
        publish(&node, "upload/in", "1");
        node.await_flow("upload", "has failed", |state| state["figures"]["modules"][1]["errors"] != 0);
        // The version that waits goes on in vain beside the new one.
        node.deploy("upload", &upload(&node.endpoint("/orders")));
        node.deploy("orders", &orders());
        publish(&node, "upload/in", "2");
        node.await_flow("orders", "has the order", |state| state["figures"]["begun"] == 1);
        // While a stuck flow is given up, another flow is stopped that has to wait.
        node.deploy("upload", &upload(&dead_url()));
        publish(&node, "upload/in", "3");
        node.await_flow("upload", "has failed", |state| state["figures"]["modules"][1]["errors"] != 0);
        let stuck = "const a = []; a.length = 4e9; a.reverse();";
        node.deploy("stuck", &script_flow("stuck", "stuck/in", stuck, "stuck/out"));
        publish(&node, "stuck/in", "1");
        node.await_flow("stuck", "has begun", |state| state["figures"]["begun"] == 1);
        node.post("/flows/upload/stop");
        let told = states.payloads("$SYS/headwater/flows/stuck/state");
        assert!(told.iter().any(|state| state.contains("restarting")), "{told:?}");
    });
}
