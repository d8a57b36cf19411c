//! What is wrong with a flow is said before it runs: over the API and on the command line, with the place.

use std::path::PathBuf;

use crate::flow_text::{chain, publish, script, script_flow, subscribe};
use crate::node::Node;

/// Flows that cannot run; where and what the problem is.
fn broken() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let with_route = |route: &str| {
        let text = chain("f", &[&subscribe("in"), &publish("out")]);
        format!("{text}route = '''{route}'''\n")
    };
    let into_inbound = chain("f", &[&subscribe("in"), &subscribe("other")]);
    let circle = chain("f", &[&subscribe("in"), &script(""), &script("")]);
    vec![
        ("unknown module", chain("f", &["{ type = 'mqtt-sup-broker' }"]), "modules.s0", "mqtt-sup-broker"),
        (
            "unknown setting",
            chain("f", &["{ type = 'timer', with = { intervall = '1s' } }"]),
            "modules.s0.with",
            "intervall",
        ),
        (
            "a day that never comes",
            chain("f", &["{ type = 'timer', with = { cron = '0 0 30 2 *' } }"]),
            "modules.s0.with.cron",
            "never comes",
        ),
        ("wrong filter", chain("f", &[&subscribe("a/#/b")]), "modules.s0.with.topic", "#"),
        (
            "broken script",
            script_flow("f", "in", "message.x = 1;\nmessage.y = = 2;", "out"),
            "modules.s1.with.code, line 2, column 13",
            "",
        ),
        ("undeclared variable", script_flow("f", "in", "count += 1;", "out"), "modules.s1.with.code", "count"),
        ("broken route", with_route("var route = message.x >;"), "connections[0] (s0 -> s1), line 1", ""),
        ("into an inbound module", into_inbound, "connections[0] (s0 -> s1)", ""),
        ("circle", format!("{circle}[[connections]]\nfrom = 's2'\nto = 's1'\n"), "modules.s1", "no brake"),
        ("no such module", format!("{circle}[[connections]]\nfrom = 's2'\nto = 's9'\n"), "connections[2]", "s9"),
        ("broken file", "id = \"f\"\n[modules\n".to_owned(), "line 2, column", ""),
        ("wrong type", "id = \"f\"\nmodules = 3\n".to_owned(), "", ""),
    ]
}

/// A flow file in a folder of its own.
fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("flow.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_broken_flow_is_refused_with_the_place_and_changes_nothing() {
    let node = Node::start();
    let good = script_flow("f", "in", "", "out");
    node.deploy("f", &good);
    for (name, text, at, what) in broken() {
        let refused = node.try_deploy("f", &text);
        assert_eq!(refused.status, 422, "{name}: {}", refused.body);
        let problems = refused.json()["problems"].take();
        let is_it = |problem: &serde_json::Value| {
            problem["severity"] == "error"
                && problem["at"].as_str().unwrap().starts_with(at)
                && problem["what"].as_str().unwrap().contains(what)
        };
        assert!(problems.as_array().unwrap().iter().any(is_it), "{name}: {problems:#}");
        let state = node.flow("f");
        assert_eq!((&state["status"], &state["version"]), (&"running".into(), &1.into()), "{name}");
    }
}

#[test]
fn the_command_line_says_the_same_with_the_file_and_an_exit_code() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    for (name, text, at, what) in broken() {
        let path = file(&folder, &text);
        let path = path.to_str().unwrap();
        for arguments in
            [&["flow", "check", path][..], &["flow", "check", "--offline", path], &["flow", "deploy", path]]
        {
            let output = node.command_line(arguments);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}, {arguments:?}: {told}");
            let place = if at.starts_with("line 2") { ":2:" } else { at };
            let is_told = |part: &str| told.contains(part);
            assert!(is_told(path) && is_told(place) && is_told(what), "{name}, {arguments:?}: {told}");
        }
    }
    let path = file(&folder, &script_flow("f", "in", "", "out"));
    let path = path.to_str().unwrap();
    for (arguments, told) in [(["flow", "check", path], "can run"), (["flow", "deploy", path], "version 1")] {
        let output = node.command_line(&arguments);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(told), "{output:?}");
    }
}

#[test]
fn commands_that_reach_no_node_say_so_by_their_exit_code() {
    let mut node = Node::start();
    let stranger = node.command_line(&["flow", "list", "--token", "not-the-token-of-this-node"]);
    assert_eq!(stranger.status.code(), Some(5), "{stranger:?}");
    node.terminate();
    node.await_end();
    let absent = node.command_line(&["flow", "list", "--url", "http://127.0.0.1:1"]);
    assert_eq!(absent.status.code(), Some(4), "{absent:?}");
}

#[test]
fn two_flows_cannot_claim_one_path_and_verb() {
    let node = Node::start();
    let flow = |id: &str, verb: &str| {
        chain(
            id,
            &[
                &format!("{{ type = 'http-listener', with = {{ path = '/mydata', verb = '{verb}' }} }}"),
                "{ type = 'debug' }",
            ],
        )
    };
    node.deploy("first", &flow("first", "POST"));
    node.deploy("other-verb", &flow("other-verb", "GET"));
    for verb in ["POST", "ALL"] {
        let refused = node.try_deploy("second", &flow("second", verb));
        assert_eq!(refused.status, 422, "{verb}");
        assert!(refused.body.contains("first") && refused.body.contains("mydata"), "{}", refused.body);
    }
    // Who has a path may deploy again; when it goes, the path is free.
    node.deploy("first", &flow("first", "POST"));
    assert_eq!(node.api("DELETE", "/flows/first", None).status, 204);
    node.deploy("second", &flow("second", "POST"));
}

#[test]
fn one_name_of_a_store_is_used_one_way_only() {
    let node = Node::start();
    let flow = |id: &str, persistent: bool| {
        let set =
            format!("{{ type = 'kv-set', with = {{ store = 'machines', persistent = {persistent}, key = 'k' }} }}");
        chain(id, &[&subscribe("in"), &set])
    };
    node.deploy("memory", &flow("memory", false));
    let refused = node.try_deploy("disk", &flow("disk", true));
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("machines") && refused.body.contains("memory"), "{}", refused.body);
    node.deploy("memory", &flow("memory", true));
    node.deploy("disk", &flow("disk", true));
    let refused = node.try_deploy("memory", &flow("memory", false));
    assert_eq!(refused.status, 422, "{}", refused.body);
}

#[test]
fn a_draft_is_saved_over_only_by_who_has_seen_it_and_needs_the_token() {
    let node = Node::start();
    assert_eq!(node.save("f", "id = \"f\"\n").status, 201);
    let stale = ["flow", "list", "--token", ""];
    assert_ne!(node.command_line(&stale).status.code(), Some(0));
    assert_eq!(node.save("g", "id = \"f\"\n").status, 422);
}
