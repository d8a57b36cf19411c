//! `examples/routing`: conditions on connections, and variables.

use super::{deploy, example};
use crate::mosquitto::{Subscriber, publish};
use crate::node::Node;

#[test]
fn readings_take_every_way_whose_condition_is_true() {
    let node = Node::start();
    deploy(&node, &[example("routing/routing.toml")]);
    let subscriber = Subscriber::start(&node, &["routing/#"]);
    let reading = |temperature: i32| format!("{{\"temperature\":{temperature}}}");
    for temperature in [20, 40, 90] {
        publish(&node, "routing/in", &reading(temperature));
    }
    publish(&node, "routing/in", r#"{"pressure":1}"#);
    // A flow keeps the order: once this one is through, all are.
    publish(&node, "routing/in", &reading(21));
    assert_eq!(subscriber.await_payloads("routing/normal", 2), [reading(20), reading(21)]);
    assert_eq!(subscriber.payloads("routing/hot"), [reading(40), reading(90)]);
    assert_eq!(subscriber.payloads("routing/stop/critical"), [reading(90)]);
    assert_eq!(subscriber.payloads("routing/stop/normal"), [""; 0]);
}
