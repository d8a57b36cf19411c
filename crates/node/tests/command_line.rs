//! The command line beside a real node: what people type, and what they read.

#[expect(dead_code, reason = "this file uses a part of it")]
mod harness;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use harness::{Node, headwater};

const FLOW: &str = "id = \"press\"\nname = \"Press\"\n[modules.plc]\ntype = \"mqtt-sub-broker\"\n\
                    with = { topic = \"plc/+\" }\n[modules.show]\ntype = \"debug\"\n\
                    [[connections]]\nfrom = \"plc\"\nto = \"show\"\n";

#[test]
fn flows_are_checked_deployed_shown_and_removed() {
    let node = Node::start();
    let file = node.data_dir.join("press.toml");
    let file = file.to_str().unwrap();
    std::fs::write(file, FLOW).unwrap();
    let done = |arguments: &[&str]| {
        let (code, output, errors) = node.command(arguments);
        assert_eq!(code, 0, "{arguments:?}: {errors}");
        output
    };
    assert_eq!(done(&["flow", "check", file]), format!("{file}: flow `press` can run\n"));
    assert_eq!(done(&["flow", "deploy", file, "--note", "first"]), "flow `press` runs as version 1\n");
    assert!(done(&["flow", "list"]).contains("press  running  1"));
    assert!(done(&["flow", "show", "press"]).starts_with("press (Press): running, version 1 since "));
    assert_eq!(done(&["flow", "show", "press", "--toml"]), FLOW);
    assert_eq!(done(&["flow", "stop", "press"]), "flow `press` is stopped\n");
    assert_eq!(done(&["flow", "start", "press"]), "flow `press` is started\n");
    std::fs::write(file, FLOW.replace("debug", "debgu")).unwrap();
    let (code, _, errors) = node.command(&["flow", "deploy", file]);
    assert_eq!(code, 1);
    assert!(
        errors.contains("press.toml:") && errors.contains(": modules.show") && errors.contains("debgu"),
        "{errors}"
    );
    assert_eq!(done(&["flow", "show", "press", "--toml"]), FLOW, "a refused file must not replace the draft");
    assert_eq!(done(&["flow", "remove", "press"]), "flow `press` is removed\n");
    let none = "error: there is no flow `press`; `headwater flow list` names those that there are\n";
    assert_eq!(node.command(&["flow", "show", "press"]).2, none);
}

#[test]
fn keys_are_set_listed_read_and_deleted() {
    let node = Node::start();
    assert_eq!(node.command(&["kv", "set", "meta", "line/1", "{\"a\":1}"]).0, 0);
    assert_eq!(node.command(&["kv", "set", "meta", "words", "no json"]).0, 0);
    assert_eq!(node.command(&["kv", "list"]).1, "meta\n");
    assert_eq!(node.command(&["kv", "list", "meta"]).1, "line/1\nwords\n");
    assert_eq!(node.command(&["kv", "list", "meta", "--prefix", "li"]).1, "line/1\n");
    assert_eq!(node.command(&["kv", "get", "meta", "line/1"]).1, "{\"a\":1}\n");
    assert_eq!(node.command(&["kv", "get", "meta", "words"]).1, "\"no json\"\n");
    assert_eq!(node.command(&["kv", "delete", "meta", "words"]).0, 0);
    let (code, _, errors) = node.command(&["kv", "get", "meta", "words"]);
    assert_eq!((code, errors.as_str()), (1, "error: store `meta` has no key `words`\n"));
}

#[test]
fn messages_are_published_and_read() {
    let node = Node::start();
    for (qos, payload) in [("0", "zero"), ("1", "one"), ("2", "two")] {
        let topic = format!("retained/{qos}");
        assert_eq!(node.command(&["pub", &topic, payload, "-q", qos, "-r"]).0, 0);
        assert_eq!(node.command(&["sub", &topic, "-q", qos, "-n", "1"]).1, format!("{topic} {payload}\n"));
    }
    let (code, _, errors) = node.command(&["pub", "a/#", "x"]);
    assert_eq!(code, 1);
    assert!(errors.contains("a/#"), "{errors}");
    let mut subscriber = headwater()
        .args(["sub", "live/#", "retained/0", "-n", "2", "--json", "--data-dir"])
        .arg(&node.data_dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    // The retained message tells that the subscription is there.
    let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["topic"], &first["payload"]), (&"retained/0".into(), &"zero".into()));
    assert_eq!(node.command(&["pub", "live/a", "{\"t\": 1}"]).0, 0);
    let second: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&second["topic"], &second["payload"]["t"]), (&"live/a".into(), &1.into()));
    assert!(subscriber.wait().unwrap().success());
}

#[test]
fn exit_codes_tell_what_is_wrong() {
    let node = Node::start();
    assert_eq!(node.command(&["flow", "list", "--token", "wrong"]).0, 5);
    assert_eq!(node.command(&["flow"]).0, 2);
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| {
        headwater().args(arguments).arg("--data-dir").arg(folder.path()).output().unwrap().status.code()
    };
    assert_eq!(code(&["flow", "list"]), Some(5));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(code(&["flow", "list", "--token", "t", "--url", &format!("http://{closed}")]), Some(4));
    assert_eq!(code(&["pub", "a", "b", "--address", &closed.to_string()]), Some(4));
    assert_eq!(code(&["config", "check", "--set", "zebra=1"]), Some(3));
}
