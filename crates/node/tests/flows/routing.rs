//! How a message finds its way: route conditions, variables, error ports, retries.

use serde_json::{Value, json};

use crate::flow_text::{chain, publish as publish_step, script, subscribe};
use crate::mosquitto::{Subscriber, publish};
use crate::node::Node;
use crate::patience::eventually;

#[test]
fn every_connection_whose_condition_is_true_is_taken_and_variables_belong_to_one_itinerary() {
    let node = Node::start();
    let judge = script("if (message.data.temperature > limit) hot += 1;");
    node.deploy(
        "routing",
        &format!(
            "id = 'routing'\nvariables.limit = {{ type = 'number', value = 30 }}\n\
             variables.hot = {{ type = 'number', value = 0 }}\n\
             [modules]\nin = {}\njudge = {judge}\nhot = {}\nwarm = {}\nany = {}\n\
             [[connections]]\nfrom = 'in'\nto = 'judge'\n\
             [[connections]]\nfrom = 'judge'\nto = 'hot'\nroute = 'var route = message.data.temperature > 30;'\n\
             [[connections]]\nfrom = 'judge'\nto = 'warm'\nroute = 'message.data.temperature > 15 && hot <= 1'\n\
             [[connections]]\nfrom = 'judge'\nto = 'any'\n",
            subscribe("plc/+"),
            publish_step("hot/{variables.hot}"),
            publish_step("warm"),
            publish_step("any"),
        ),
    );
    let subscriber = Subscriber::start(&node, &["hot/+", "warm", "any"]);
    let messages = [
        r#"{"temperature":31}"#,
        r#"{"temperature":20}"#,
        r#"{"temperature":null}"#,
        "{}",
        "\"text\"",
        r#"{"temperature":99}"#,
    ];
    messages.iter().for_each(|message| publish(&node, "plc/1", message));
    assert_eq!(subscriber.await_payloads("any", messages.len()), messages);
    assert_eq!(subscriber.payloads("warm"), [messages[0], messages[1], messages[5]]);
    // The second hot message began with its own variables.
    assert_eq!(subscriber.payloads("hot/1"), [messages[0], messages[5]]);
}

#[test]
fn a_branch_changes_its_own_message_only() {
    let node = Node::start();
    let branches = ["left", "right"]
        .map(|side| (side, script(&format!("message.data.side = '{side}'; side = message.data.side;"))));
    let mut text = format!(
        "id = 'fan'\nvariables.side = {{ type = 'string', value = '' }}\n[modules]\nin = {}\n",
        subscribe("fan/in")
    );
    for (side, script) in &branches {
        text +=
            &format!("{side} = {script}\n{side}-out = {}\n", publish_step(&format!("fan/{side}/{{variables.side}}")));
    }
    for (side, _) in &branches {
        text += &format!(
            "[[connections]]\nfrom = 'in'\nto = '{side}'\n[[connections]]\nfrom = '{side}'\nto = '{side}-out'\n"
        );
    }
    node.deploy("fan", &text);
    let subscriber = Subscriber::start(&node, &["fan/+/+"]);
    publish(&node, "fan/in", r#"{"number":1}"#);
    assert_eq!(subscriber.await_payloads("fan/left/left", 1), [r#"{"number":1,"side":"left"}"#]);
    assert_eq!(subscriber.await_payloads("fan/right/right", 1), [r#"{"number":1,"side":"right"}"#]);
}

#[test]
fn what_fails_goes_on_by_the_error_port_or_with_the_failure_in_the_message() {
    let node = Node::start();
    let failing = script("throw new Error('no such machine');");
    let text = |arrow: &str| {
        format!(
            "id = 'failing'\n[modules]\nin = {}\nwork = {failing}\nseen = {{ type = 'debug', with.source = 'headwater' }}\n\
             [[connections]]\nfrom = 'in'\nto = 'work'\n[[connections]]\nfrom = 'work'\nto = 'seen'\n{arrow}\n",
            subscribe("failing/in")
        )
    };
    // An arrow that takes everything was not drawn for failures: the itinerary counts as failed.
    for (arrow, failed) in [("port = 'error'", 0), ("", 1), ("route = '!message.headwater.success'", 0)] {
        node.deploy("failing", &text(arrow));
        let before = node.shown("failing").len();
        publish(&node, "failing/in", "1");
        let seen = eventually("the failure in the debug panel", || node.shown("failing").into_iter().nth(before));
        assert_eq!((&seen["success"], &seen["module"]), (&json!(false), &json!("work")), "{arrow}");
        assert!(seen["message"].as_str().unwrap().contains("no such machine"), "{arrow}: {seen}");
        // It ends a moment after it was shown.
        let state =
            node.await_flow("failing", "has counted", |state| state["figures"]["failed"].as_u64() >= Some(failed));
        assert_eq!(
            (&state["figures"]["failed"], &state["figures"]["modules"][1]["errors"]),
            (&json!(failed), &json!(1))
        );
    }
}

#[test]
fn a_failed_step_is_tried_again_and_its_message_comes_out_once() {
    let node = Node::start();
    let work = "{ type = 'script', retry = { max = 4, delay_ms = 10 }, \
                with.code = 'if (context.attempt < message.data) throw new Error(\"busy\"); message.data = context.attempt;' }";
    node.deploy("retries", &chain("retries", &[&subscribe("retries/in"), work, &publish_step("retries/out")]));
    let subscriber = Subscriber::start(&node, &["retries/out"]);
    publish(&node, "retries/in", "3");
    assert_eq!(subscriber.await_payloads("retries/out", 1), ["3"]);
    publish(&node, "retries/in", "5");
    assert_eq!(subscriber.await_payloads("retries/out", 2), ["3", "5"]);
    // Once the tries are used up the message goes on as failed, unchanged.
    publish(&node, "retries/in", "6");
    assert_eq!(subscriber.await_payloads("retries/out", 3), ["3", "5", "6"]);
    let figures = node.flow("retries")["figures"].take();
    assert_eq!((&figures["begun"], &figures["modules"][1]["errors"]), (&json!(3), &json!(2 + 4 + 5)), "{figures}");
}

#[test]
fn a_parameter_is_bound_to_settings_and_overridden_by_the_node() {
    let text = format!(
        "parameters.line = {{ type = 'string', default = 'line1' }}\n{}",
        chain("parameters", &[&subscribe("plc/{{line}}"), &publish_step("out/{{line}}")])
    );
    for (settings, line) in [(&[][..], "line1"), (&["flows.parameters.parameters.line=line2"], "line2")] {
        let node = Node::start_with(settings);
        node.deploy("parameters", &text);
        let subscriber = Subscriber::start(&node, &["out/+"]);
        publish(&node, &format!("plc/{line}"), "1");
        assert_eq!(subscriber.await_payloads(&format!("out/{line}"), 1), ["1"]);
    }
}

#[test]
fn figures_of_every_module_stand_in_the_metrics() {
    let node = Node::start();
    let failing = script("if (message.data === 2) throw new Error('two');");
    node.deploy("counted", &chain("counted", &[&subscribe("counted/in"), &failing, &publish_step("counted/out")]));
    let subscriber = Subscriber::start(&node, &["counted/out"]);
    (1..=3).for_each(|number| publish(&node, "counted/in", &number.to_string()));
    subscriber.await_payloads("counted/out", 3);
    let metrics = node.metrics();
    let of = |module: &str, figure: &str| -> Vec<Value> {
        let lines = metrics.lines().filter(|line| {
            line.contains(figure) && line.contains("\"counted\"") && line.contains(&format!("\"{module}\""))
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(of("s1", "errors_total"), [json!(1)], "{metrics}");
    assert_eq!(of("s2", "messages_in_total").len() + of("s2", "in_messages_total").len(), 1, "{metrics}");
}
