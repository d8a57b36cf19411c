//! The API of a real node: who is let in, what is refused and how, what stays after a restart.

#[expect(dead_code, reason = "this file uses a part of it")]
mod harness;

use harness::{Node, NodeOptions, eventually, http};
use serde_json::json;

const TOML: (&str, &str) = ("content-type", "application/toml");
const JSON: (&str, &str) = ("content-type", "application/json");

const FLOW: &str = r#"# Shows what the press says.
id = "press"
name = "Press"

[modules.plc]
type = "mqtt-sub-broker"
with = { topic = "plc/+" }

[modules.show]
type = "debug"

[[connections]]
from = "plc"
to = "show"
route = "var route = message.data.t > 30;"
"#;

#[test]
fn only_the_token_opens_the_api() {
    let node = Node::start();
    let ask = |headers: &[(&str, &str)]| http(node.web, "GET", "/api/v1/flows", headers, b"");
    assert!(ask(&[]).problem(401).contains("admin-token"));
    assert_eq!(ask(&[]).header("www-authenticate"), "Bearer realm=\"headwater\"");
    for wrong in ["Bearer wrong", "Basic dTpw", "Bearer", &format!("Bearer {}x", node.token)] {
        ask(&[("authorization", wrong)]).problem(401);
    }
    assert_eq!(node.api("GET", "/flows").status, 200);
    for path in ["/livez", "/readyz", "/version", "/metrics", "/api/v1/openapi.json"] {
        assert_eq!(http(node.web, "GET", path, &[], b"").status, 200, "{path}");
    }
}

#[test]
fn the_setup_link_gives_the_token_once() {
    let node = Node::start();
    let log = eventually(|| node.log(), |log| log.contains("/#setup="));
    let code = log.split("/#setup=").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    let exchange = |code: &str| {
        let body = json!({ "code": code }).to_string();
        http(node.web, "POST", "/api/v1/setup", &[JSON], body.as_bytes())
    };
    exchange("guess").problem(403);
    let answer = exchange(&code);
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!(answer.json()["token"], node.token);
    exchange(&code).problem(403);
}

#[test]
fn every_error_is_a_problem_document() {
    let node = Node::start();
    http(node.web, "GET", "/nothing", &[], b"").problem(404);
    node.api("GET", "/nothing").problem(404);
    let answer = http(node.web, "POST", "/livez", &[], b"");
    answer.problem(405);
    assert!(answer.header("allow").contains("GET"));
    node.api("GET", "/flows/a%20b").problem(400);
    node.api("GET", "/flows/absent").problem(404);
    node.api("POST", "/flows/absent/deploy").problem(404);
    node.api("GET", "/flows/absent/versions/1").problem(404);
    for (method, path) in [("GET", "/kv/absent"), ("GET", "/kv/absent/key"), ("DELETE", "/kv/absent/key")] {
        assert!(node.api(method, path).problem(404).contains("no persistent store `absent`"), "{method} {path}");
    }
    assert_eq!(node.api_json("PUT", "/kv/meta/there", &json!(1)).status, 201);
    assert!(node.api("GET", "/kv/meta/key").problem(404).contains("store `meta` has no key `key`"));
    let unknown = node.api("GET", "/kv/meta?unknown=1").problem(400);
    assert!(
        unknown.contains("the query of `/api/v1/kv/meta` cannot be read") && unknown.contains("`prefix`"),
        "{unknown}"
    );
    node.send("PUT", "/flows/press", &[("content-type", "text/plain")], b"x").problem(415);
    node.send("PUT", "/flows/press", &[TOML], &[0xff, 0xfe]).problem(400);
    node.send("POST", "/flows/press/deploy", &[JSON], b"{").problem(400);
    assert!(node.send("POST", "/setup", &[JSON], b"{\"code\":1}").problem(400).contains("code"));
    assert!(node.send("POST", "/publish?topic=a/%23", &[], b"x").problem(400).contains("topic"));
    node.send("POST", "/publish?topic=$SYS/x", &[], b"x").problem(403);
}

#[test]
fn a_foreign_host_name_is_refused() {
    let node = Node::start_with(&NodeOptions::default().set("listeners.web.host_names", "edge.example"));
    let status = |host: &str| http(node.web, "GET", "/livez", &[("host", host)], b"").status;
    assert_eq!(status("edge.example:8080"), 200);
    assert_eq!(status("localhost"), 200);
    let refused = http(node.web, "GET", "/livez", &[("host", "evil.example")], b"");
    assert!(refused.problem(421).contains("listeners.web.host_names"));
}

#[test]
fn a_huge_or_deep_body_is_refused_and_the_node_goes_on() {
    let node = Node::start();
    let huge = vec![b'x'; 17 * 1024 * 1024];
    assert!(node.send("PUT", "/kv/meta/key", &[JSON], &huge).problem(413).contains("larger than 16777216 bytes: send"));
    let deep = "[".repeat(100_000);
    assert!(node.send("PUT", "/kv/meta/key", &[JSON], deep.as_bytes()).problem(400).contains("deep"));
    let refused = node.send("PUT", "/flows/press", &[JSON], deep.as_bytes());
    refused.problem(422);
    let problem = refused.json()["problems"][0].clone();
    assert_eq!(problem["what"], "arrays and objects are nested deeper than 127 levels");
    assert!(problem["hint"].as_str().unwrap().contains("nest them less"));
    node.send("PUT", "/flows/press", &[TOML], &vec![b'#'; 1_100_000]).problem(422);
    assert_eq!(node.api("GET", "/flows").json()["flows"], json!([]));
}

#[test]
fn a_draft_is_saved_over_only_by_who_has_seen_it() {
    let node = Node::start();
    let put = |header: (&str, &str), text: &str| node.send("PUT", "/flows/press", &[TOML, header], text.as_bytes());
    put(("if-match", "*"), FLOW).problem(412);
    let created = put(("if-none-match", "*"), FLOW);
    assert_eq!(created.status, 201);
    put(("if-none-match", "*"), FLOW).problem(412);
    let first = created.header("etag").to_owned();
    assert_eq!(node.api("GET", "/flows/press").header("etag"), first);
    let second = put(("if-match", &first), &FLOW.replace("30", "40"));
    assert_eq!(second.status, 200);
    assert!(put(("if-match", &first), FLOW).problem(412).contains(second.header("etag")));
    assert_eq!(put(("if-match", second.header("etag")), FLOW).status, 200);
    put(("if-match", "no-quotes"), FLOW).problem(400);
}

#[test]
fn comments_survive_a_change_by_json() {
    let node = Node::start();
    assert_eq!(node.send("PUT", "/flows/press", &[TOML], FLOW.as_bytes()).status, 201);
    let mut flow = node.api("GET", "/flows/press").json()["draft"]["flow"].clone();
    flow["name"] = json!("Press 7");
    assert_eq!(node.api_json("PUT", "/flows/press", &flow).status, 200);
    let toml = node.send("GET", "/flows/press", &[("accept", "application/toml")], b"");
    assert_eq!(toml.header("content-type"), "application/toml");
    assert_eq!(toml.text(), FLOW.replace("\"Press\"", "\"Press 7\""));
}

#[test]
fn a_broken_flow_file_is_refused_with_its_place_and_what_runs_goes_on() {
    let node = Node::start();
    assert_eq!(node.deploy(FLOW).json()["version"], 1);
    for (text, place) in [
        (FLOW.replace("id = \"press\"", "id = \"press"), "line 2"),
        (FLOW.replace("type = \"debug\"", "typ = \"debug\""), "line 10"),
        (FLOW.replace("id = \"press\"", "id = \"other\""), "id"),
    ] {
        let refused = node.send("PUT", "/flows/press", &[TOML], text.as_bytes());
        refused.problem(422);
        let at = refused.json()["problems"][0]["at"].as_str().unwrap().to_owned();
        assert!(at.contains(place), "{at}");
    }
    // Readable, but not to be run.
    let wrong = FLOW.replace("> 30", "> ");
    let saved = node.send("PUT", "/flows/press", &[TOML], wrong.as_bytes());
    assert_eq!((saved.status, &saved.json()["runnable"]), (200, &json!(false)));
    node.api("POST", "/flows/press/deploy").problem(422);
    let shown = node.api("GET", "/flows/press").json();
    assert_eq!((&shown["flow"]["status"], &shown["flow"]["version"]), (&json!("running"), &json!(1)));
    assert_eq!(shown["draft"]["differs"], true);
}

#[test]
fn a_flow_runs_shows_what_it_sees_and_ends() {
    let node = Node::start();
    assert_eq!(node.deploy(FLOW).status, 200);
    for payload in [r#"{"t":20}"#, r#"{"t":40}"#] {
        assert_eq!(node.send("POST", "/publish?topic=plc/1", &[], payload.as_bytes()).status, 204);
    }
    let debug = || node.api("GET", "/flows/press/debug").json()["values"].clone();
    let values = eventually(debug, |values| values.as_array().is_some_and(|values| !values.is_empty()));
    assert_eq!(values.as_array().unwrap().len(), 1, "{values}");
    assert_eq!(values[0]["value"]["data"], json!({ "t": 40 }));
    let metrics = http(node.web, "GET", "/metrics", &[], b"");
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(metrics.text().contains("headwater_flow_itineraries_total{flow=\"press\"} 2\n"), "{}", metrics.text());
    assert!(metrics.text().ends_with("# EOF\n"));
    let graph = node.api("GET", "/graph").json();
    assert_eq!(graph["flows"][0]["status"], "running");
    assert_eq!(graph["edges"], json!([{ "from": "topic:plc/+", "to": "flow:press", "modules": ["plc"] }]));
    assert_eq!(node.api("POST", "/flows/press/stop").status, 204);
    assert_eq!(node.api("GET", "/flows/press").json()["flow"]["status"], "stopped");
    assert_eq!(node.api("POST", "/flows/press/start").status, 204);
    assert_eq!(node.api("DELETE", "/flows/press").status, 204);
    node.api("GET", "/flows/press").problem(404);
}

#[test]
fn an_older_version_can_be_deployed_again() {
    let node = Node::start();
    node.deploy(FLOW);
    node.deploy(&FLOW.replace("30", "40"));
    let body = json!({ "version": 1, "note": "back" });
    assert_eq!(node.api_json("POST", "/flows/press/deploy", &body).json()["version"], 3);
    let versions = node.api("GET", "/flows/press/versions").json()["versions"].clone();
    assert_eq!((versions[2]["note"].as_str(), versions[2]["deployed"].as_bool()), (Some("back"), Some(true)));
    let text = node.send("GET", "/flows/press/versions/3", &[("accept", "application/toml")], b"").text();
    assert_eq!(text, FLOW);
}

#[test]
fn flows_and_stores_survive_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    node.deploy(FLOW);
    node.deploy(&FLOW.replace("press", "idle"));
    assert_eq!(node.api("POST", "/flows/idle/stop").status, 204);
    assert_eq!(node.api_json("PUT", "/kv/meta/a%2Fb", &json!({ "x": [1, null] })).status, 201);
    assert_eq!(node.api_json("PUT", "/kv/meta/a%2Fb", &json!({ "x": [2, null] })).status, 204);
    let token = node.token.clone();
    node.kill();
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(node.token, token);
    let flows = node.api("GET", "/flows").json()["flows"].clone();
    assert_eq!((&flows[0]["id"], &flows[0]["status"]), (&json!("idle"), &json!("stopped")));
    assert_eq!((&flows[1]["id"], &flows[1]["status"]), (&json!("press"), &json!("running")));
    assert_eq!(node.api("GET", "/kv/meta/a%2Fb").json(), json!({ "x": [2, null] }));
    assert_eq!(node.api("GET", "/kv/meta?prefix=a&max=1").json(), json!({ "keys": ["a/b"] }));
    assert_eq!(node.api("DELETE", "/kv/meta/a%2Fb").status, 204);
    assert!(node.stop().success());
}

#[test]
fn the_status_page_is_whole_and_strict() {
    let node = Node::start();
    let page = http(node.web, "GET", "/", &[], b"");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for file in ["/status.css", "/status.js", "/favicon.svg"] {
        assert!(page.text().contains(&format!("\"{file}\"")), "{file} is not used");
        let answer = http(node.web, "GET", file, &[], b"");
        assert_eq!((answer.status, answer.header("x-content-type-options")), (200, "nosniff"), "{file}");
    }
    let info = node.api("GET", "/node").json();
    assert_eq!(info["listeners"]["mqtt"], node.mqtt.to_string());
    assert!(info["process"]["resident_bytes"].as_u64().unwrap() > 1_000_000);
}
