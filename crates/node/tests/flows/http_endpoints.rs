//! What callers of a flow's HTTP endpoints get.

use serde_json::json;

use crate::curl::{Answer, curl};
use crate::flow_text::{chain, script, with_time};
use crate::node::Node;

fn listener(settings: &str) -> String {
    format!("{{ type = 'http-listener', with = {{ {settings} }} }}")
}

fn post(url: &str, body: &str) -> Answer {
    curl(&["--header", "content-type: application/json", url], Some(body.as_bytes()))
}

#[test]
fn an_automatic_answer_comes_at_the_end_of_the_itinerary() {
    let node = Node::start();
    let code = "if (message.data.fails) throw new Error('refused'); message.data.seen = true;";
    let steps = [&listener("path = '/orders/+', verb = 'POST'"), &script(code), "{ type = 'debug' }"];
    node.deploy("orders", &chain("orders", &steps));
    let url = node.endpoint("/orders/7?urgent=yes");
    assert_eq!(post(&url, r#"{"pieces":3}"#).status, 200);
    let seen = node.shown("orders").pop().unwrap();
    assert_eq!(seen["data"], json!({"pieces": 3, "seen": true}));
    assert_eq!((&seen["path"], &seen["verb"]), (&json!("/orders/7"), &json!("POST")));
    assert_eq!(seen["query"], json!({"urgent": "yes"}));
    assert_eq!(seen["headers"]["content-type"], "application/json");
}

#[test]
fn an_itinerary_that_fails_for_good_is_answered_500() {
    let node = Node::start();
    node.deploy("orders", &chain("orders", &[&listener("path = '/orders'"), &script("throw new Error('refused');")]));
    assert_eq!(post(&node.endpoint("/orders"), "{}").status, 500);
}

#[test]
fn an_explicit_answer_has_its_own_status_headers_and_body() {
    let node = Node::start();
    let answer = "{ type = 'http-response', with = { status = '{data.status}', headers = { x-line = '{data.line}' }, source = 'data.answer' } }";
    let code = "message.data = { status: 201, line: 'l1', answer: { doubled: message.data * 2 } };";
    let steps = [&listener("path = '/double', respond_automatically = false"), &script(code), answer];
    node.deploy("double", &chain("double", &steps));
    let answer = post(&node.endpoint("/double"), "21");
    assert_eq!((answer.status, answer.header("x-line")), (201, Some("l1")), "{}", answer.body);
    assert_eq!(answer.json(), json!({"doubled": 42}));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn an_endpoint_is_there_only_while_its_flow_runs() {
    let node = Node::start();
    let url = node.endpoint("/mydata");
    assert_eq!(post(&url, "1").status, 404);
    node.deploy("data", &chain("data", &[&listener("path = '/mydata'"), "{ type = 'debug' }"]));
    assert_eq!(post(&url, "1").status, 200);
    node.post("/flows/data/stop");
    let gone = post(&url, "1");
    assert_eq!(gone.status, 404);
    assert!(gone.body.contains("no running flow listens at `/mydata`"), "{}", gone.body);
    node.post("/flows/data/start");
    assert_eq!(post(&url, "1").status, 200);
    assert_eq!(node.api("DELETE", "/flows/data", None).status, 204);
    assert_eq!(post(&url, "1").status, 404);
}

#[test]
fn what_an_endpoint_does_not_take_is_refused_with_the_reason() {
    let node = Node::start();
    node.deploy(
        "data",
        &chain("data", &[&listener("path = '/mydata', verb = 'POST', format = 'json'"), "{ type = 'debug' }"]),
    );
    let url = node.endpoint("/mydata");
    let other_verb = curl(&[&url], None);
    assert_eq!((other_verb.status, other_verb.header("allow")), (405, Some("POST")));
    let broken = post(&url, "{\"a\":1,\n\"b\":}");
    assert_eq!(broken.status, 400);
    assert!(broken.body.contains("line 2"), "{}", broken.body);
    let huge = post(&url, &"x".repeat(16 * 1024 * 1024 + 1));
    assert_eq!(huge.status, 413);
    let deep = post(&url, &"[".repeat(100_000));
    assert_eq!(deep.status, 400);
    assert_eq!(node.flow("data")["figures"]["begun"], 0);
    for refused in [other_verb, broken, huge, deep] {
        assert_eq!(refused.header("content-type"), Some("application/problem+json"), "{}", refused.body);
    }
    assert_eq!(post(&url, "{}").status, 200);
}

#[test]
fn a_foreign_host_name_reaches_no_flow_until_it_is_configured() {
    let deployed = |settings: &[&str]| {
        let node = Node::start_with(settings);
        node.deploy("data", &chain("data", &[&listener("path = '/mydata'"), "{ type = 'debug' }"]));
        node
    };
    let ask = |node: &Node, host: &str| curl(&["--header", &format!("host: {host}"), &node.endpoint("/mydata")], None);
    let node = deployed(&[]);
    for host in ["127.0.0.1:9090", "localhost", "[::1]:9090"] {
        assert_eq!(ask(&node, host).status, 200, "{host}");
    }
    let refused = ask(&node, "evil.example");
    assert_eq!((refused.status, node.flow("data")["figures"]["begun"].as_u64()), (421, Some(3)));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.body.contains("`evil.example`") && refused.body.contains("listeners.endpoints.host_names"));
    let node = deployed(&["listeners.endpoints.host_names=edge.example"]);
    assert_eq!((ask(&node, "edge.example:9090").status, ask(&node, "evil.example").status), (200, 421));
}

#[test]
fn a_flow_that_gives_no_answer_in_time_is_answered_for() {
    let node = Node::start();
    let silent = listener("path = '/silent', respond_automatically = false, response_timeout = '200ms'");
    node.deploy("silent", &chain("silent", &[&silent, "{ type = 'debug' }"]));
    let late = post(&node.endpoint("/silent"), "1");
    assert_eq!(late.status, 504);
    assert!(late.body.contains("flow `silent` gave no answer"), "{}", late.body);
}

#[test]
fn a_flow_that_is_full_says_when_to_come_again() {
    let node = Node::start();
    let busy = script("const end = Date.now() + 300; while (Date.now() < end);");
    let text = chain("busy", &[&listener("path = '/busy', waiting_max = 1"), &busy]);
    node.deploy("busy", &with_time(&text.replace("[modules]", "options.queue.max = 1\n[modules]")));
    let parallel = ["--parallel", "--parallel-immediate", "--parallel-max", "20", "--no-progress-meter"];
    let output = std::process::Command::new("curl")
        .args(parallel)
        .args(["--write-out", "%{http_code} %header{retry-after}\n", "--output", "/dev/null"])
        .arg(format!("{}?[1-20]", node.endpoint("/busy")))
        .output()
        .unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let count = |answer: &str| answers.lines().filter(|line| line.trim() == answer).count();
    assert_eq!(count("200") + count("503 1"), 20, "{answers}");
    assert!(count("200") > 0 && count("503 1") > 0, "{answers}");
    assert_eq!(node.flow("busy")["figures"]["begun"], count("200"));
}

#[test]
fn no_request_is_refused_while_a_flow_is_redeployed() {
    let node = Node::start();
    let flow = |edition: usize| {
        let answer = format!("{{ type = 'http-response', with.body = '{edition}' }}");
        chain("page", &[&listener("path = '/page', respond_automatically = false"), &answer])
    };
    node.deploy("page", &flow(0));
    let done = std::sync::atomic::AtomicBool::new(false);
    let url = node.endpoint("/page");
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = curl(&[&url], None);
                assert_eq!(answer.status, 200, "{}", answer.body);
                let edition: usize = answer.body.parse().unwrap();
                assert!(edition >= last, "an older version answered after a newer one");
                last = edition;
            }
            last
        });
        (1..=10).for_each(|edition| node.deploy("page", &flow(edition)));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        calling.join().unwrap();
    });
    assert_eq!(curl(&[&url], None).body, "10");
}
