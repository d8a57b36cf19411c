//! Scripts that nothing inside the engine can interrupt: native loops that never ask whether their time is over. Their
//! thread is given up, their flow goes on with another one.

use crate::flow_text::script_flow;
use crate::mosquitto::{Publisher, Subscriber, publish};
use crate::neighbour::undisturbed_while;
use crate::node::Node;

const JOIN: &str = "new Array(1e8).join('')";
const REVERSE: &str = "const a = []; a.length = 4e9; a.reverse()";
/// Threads that a node gives up before it starts a stuck flow no more.
const GIVEN_UP_MAX: usize = 8;

/// Gets stuck on the message `"trouble"`, and passes every other one on.
fn flow(id: &str, native_loop: &str) -> String {
    let code = format!("if (message.data === 'trouble') {{ {native_loop}; }}");
    script_flow(id, &format!("{id}/in"), &code, &format!("{id}/out"))
}

#[test]
fn a_stuck_thread_is_given_up_and_its_flow_goes_on_with_what_had_waited() {
    let node = Node::start();
    let subscriber = Subscriber::start(&node, &["$SYS/headwater/flows/+/state", "+/out"]);
    undisturbed_while(&node, || {
        for (id, native_loop) in [("join", JOIN), ("reverse", REVERSE)] {
            node.deploy(id, &flow(id, native_loop));
            publish(&node, &format!("{id}/in"), "\"trouble\"");
            node.await_flow(id, "has taken the trouble", |state| state["figures"]["begun"] == 1);
            // They come while the flow is stuck and find it later.
            let mut publisher = Publisher::start(&node, &format!("{id}/in"));
            (0..500).for_each(|number| publisher.send(&number.to_string()));
            publisher.finish();
        }
        for id in ["join", "reverse"] {
            let topic = format!("$SYS/headwater/flows/{id}/state");
            let told = subscriber.await_payload(&topic, "the restart", |state| state.contains("restarting"));
            assert!(told.contains("cannot be interrupted"), "{told}");
            let state = node.await_flow(id, "runs again", |state| state["status"] == "running");
            assert_eq!(state["figures"]["crashes"], 1);
            let numbers: Vec<_> = (0..500).map(|number| number.to_string()).collect();
            assert_eq!(subscriber.await_payloads(&format!("{id}/out"), 500), numbers);
        }
    });
}

#[test]
fn a_stuck_flow_can_be_mended_and_removed_at_once() {
    let node = Node::start();
    undisturbed_while(&node, || {
        for id in ["mended", "removed"] {
            node.deploy(id, &flow(id, REVERSE));
            publish(&node, &format!("{id}/in"), "\"trouble\"");
        }
        node.deploy("mended", &flow("mended", ""));
        assert_eq!(node.api("DELETE", "/flows/removed", None).status, 204);
        assert_eq!(node.api("GET", "/flows/removed", None).status, 404);
        let subscriber = Subscriber::start(&node, &["mended/out"]);
        publish(&node, "mended/in", "\"trouble\"");
        assert_eq!(subscriber.await_payloads("mended/out", 1), ["\"trouble\""]);
    });
}

#[test]
fn threads_are_given_up_only_so_often_and_the_last_flow_says_what_to_do() {
    let node = Node::start();
    let ids: Vec<String> = (0..=GIVEN_UP_MAX).map(|number| format!("stuck-{number}")).collect();
    undisturbed_while(&node, || {
        for id in &ids {
            node.deploy(id, &flow(id, REVERSE));
            publish(&node, &format!("{id}/in"), "\"trouble\"");
        }
        let states = ids.iter().map(|id| {
            let crashed =
                |state: &serde_json::Value| state["figures"]["crashes"] == 1 && state["status"] != "restarting";
            node.await_flow(id, "was given up", crashed)
        });
        let failed: Vec<_> = states.filter(|state| state["status"] == "failed").collect();
        assert_eq!(failed.len(), 1);
        assert!(failed[0]["text"].as_str().unwrap().contains("restart the node"), "{}", failed[0]);
    });
}

#[test]
fn a_flow_that_gets_stuck_again_and_again_rests_longer_each_time() {
    let node = Node::start();
    node.deploy("again", &flow("again", REVERSE));
    for crashes in 1..=3 {
        publish(&node, "again/in", "\"trouble\"");
        node.await_flow("again", "was given up", |state| state["figures"]["crashes"] == crashes);
    }
    // What comes during the longest rest waits for its end.
    let subscriber = Subscriber::start(&node, &["again/out"]);
    publish(&node, "again/in", "1");
    assert_eq!(subscriber.await_payloads("again/out", 1), ["1"]);
    let log = node.log();
    let rests: Vec<_> = log.lines().filter(|line| line.contains("flow was given up")).collect();
    assert_eq!(rests.len(), 3, "{log}");
    for (line, rest_ms) in rests.iter().zip([100, 200, 400]) {
        assert!(
            line.contains(&format!("rest_ms={rest_ms}")) || line.contains(&format!("\"rest_ms\":{rest_ms}")),
            "{line}"
        );
    }
}
