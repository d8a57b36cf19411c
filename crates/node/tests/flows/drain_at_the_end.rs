//! SIGTERM: the node takes nothing new, ends what it has accepted, and only then goes.

use crate::flow_text::{chain, publish as publish_step, script, script_flow, subscribe, with_time};
use crate::mosquitto::{Publisher, Subscriber};
use crate::node::Node;

#[test]
fn messages_accepted_before_sigterm_are_published_by_their_flow_before_the_node_ends() {
    let mut node = Node::start();
    // Slow enough that most of the messages wait when the signal comes.
    let slow = "const end = Date.now() + 3; while (Date.now() < end);";
    node.deploy("slow", &with_time(&script_flow("slow", "slow/in", slow, "slow/half")));
    node.deploy("next", &script_flow("next", "slow/half", "", "slow/out"));
    let subscriber = Subscriber::start(&node, &["slow/out"]);
    let mut publisher = Publisher::start(&node, "slow/in");
    let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    numbers.iter().for_each(|number| publisher.send(number));
    publisher.finish();
    node.terminate();
    assert!(node.await_end().success(), "{}", node.log());
    assert_eq!(subscriber.await_payloads("slow/out", numbers.len()), numbers);
}

#[test]
fn open_windows_are_passed_on_before_the_node_ends() {
    let mut node = Node::start();
    let collect = "{ type = 'batch', with = { count = 1000, max_wait = '1h' } }";
    node.deploy("batch", &chain("batch", &[&subscribe("batch/in"), collect, &publish_step("batch/out")]));
    let subscriber = Subscriber::start(&node, &["batch/out"]);
    let mut publisher = Publisher::start(&node, "batch/in");
    (0..3).for_each(|number| publisher.send(&number.to_string()));
    publisher.finish();
    node.terminate();
    assert!(node.await_end().success(), "{}", node.log());
    let batch = subscriber.await_payloads("batch/out", 1).swap_remove(0);
    assert!((0..3).all(|number| batch.contains(&number.to_string())), "{batch}");
}

#[test]
fn a_caller_who_waits_gets_its_answer_before_the_node_ends() {
    let mut node = Node::start();
    let slow = script("const end = Date.now() + 400; while (Date.now() < end); message.data = 'done';");
    let steps = [
        "{ type = 'http-listener', with = { path = '/slow', respond_automatically = false } }",
        &slow,
        "{ type = 'http-response' }",
    ];
    node.deploy("slow", &with_time(&chain("slow", &steps)));
    let url = node.endpoint("/slow");
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| crate::curl::curl(&[&url], None));
        node.await_flow("slow", "has the request", |state| state["figures"]["begun"] == 1);
        node.terminate();
        asking.join().unwrap()
    });
    assert_eq!((answer.status, answer.body.as_str()), (200, "\"done\""));
    assert!(node.await_end().success(), "{}", node.log());
}

#[test]
fn a_flow_that_does_not_come_to_an_end_does_not_hold_the_node_for_ever() {
    let node = Node::start_with(&["node.drain_deadline_s=1"]);
    let endless = script("const a = []; a.length = 4e9; a.reverse();");
    node.deploy("endless", &chain("endless", &[&subscribe("endless/in"), &endless]));
    crate::mosquitto::publish(&node, "endless/in", "1");
    node.await_flow("endless", "has the message", |state| state["figures"]["begun"] == 1);
    let mut node = node;
    node.terminate();
    assert!(node.await_end().success(), "{}", node.log());
}
