//! `examples/two-nodes`: a trigger and a reading on one node, key figures on another, joined by HTTP.

use serde_json::json;

use super::example;
use crate::curl::curl;
use crate::mosquitto::Subscriber;
use crate::node::Node;

#[test]
fn a_request_to_one_node_is_answered_with_the_key_figures_of_the_other() {
    let flows = |node: &str| format!("flows_dir={}", example(&format!("two-nodes/{node}")));
    let mut second = Node::start_with(&[&flows("node-2")]);
    let of_second = format!("flows.trigger.parameters.node_2={}", second.endpoint(""));
    let first = Node::start_with(&[&flows("node-1"), &of_second]);
    let readers = Subscriber::start(&second, &["kpi/#"]);
    let ask = || curl(&["--request", "POST", &first.endpoint("/read/press")], None);

    let figures = json!({ "machine": "press", "pieces_per_minute": 60, "hot": false });
    for reads in 1..=21 {
        let answer = ask();
        let mut expected = figures.clone();
        // Each reading is a degree warmer and counts ten pieces more.
        expected["pieces_per_minute"] = json!(reads * 60);
        expected["hot"] = json!(20 + reads > 40);
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
    assert_eq!(readers.await_payloads("kpi/press", 21).len(), 21);

    let reading = br#"{"machine":"drill","temperature":41,"pieces":7,"seconds":60}"#;
    let json_type = "content-type: application/json";
    let answer = curl(&["--header", json_type, &second.endpoint("/mydata")], Some(reading));
    let expected = json!({ "machine": "drill", "pieces_per_minute": 7, "hot": true });
    assert_eq!((answer.status, answer.json()), (200, expected));

    second.kill();
    let answer = ask();
    assert_eq!(answer.status, 502);
    assert!(answer.body.starts_with("node 2 did not answer: "), "{}", answer.body);
}
