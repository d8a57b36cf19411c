//! Starting and stopping real nodes: what refuses to start says why, and what to do.

#[expect(dead_code, reason = "this file uses a part of it")]
mod harness;

use std::net::TcpListener;

use harness::{Node, NodeOptions, eventually, headwater};

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    for key in ["mqtt", "mqtt_ws", "web", "endpoints"].map(|name| format!("listeners.{name}.address")) {
        let (code, said) = NodeOptions::default().set(&key, &address).refusal(&folder.path().join("data"));
        assert_eq!(code, Some(1));
        let expected = format!("error: cannot listen on {address}: another program listens there; set `{key}`");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn an_unusable_data_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (code, said) = NodeOptions::default().refusal(&file.join("data"));
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot make the data directory") && said.contains("--data-dir"), "{said}");
}

#[test]
fn a_node_serves_that_cannot_write_down_where_it_listens_and_does_so_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // What stands in the way takes the place of a full disk.
    let in_the_way = data.join("node.json.new");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(node.api("GET", "/flows").status, 200);
    let file = data.join("node.json");
    assert!(!file.exists());
    std::fs::remove_dir(&in_the_way).unwrap();
    eventually(|| file.exists(), |written| *written);
}

#[test]
fn two_nodes_do_not_share_a_data_directory() {
    let node = Node::start();
    let (code, said) = NodeOptions::default().refusal(&node.data_dir);
    assert_eq!(code, Some(1));
    assert!(said.contains("another node holds the data directory"), "{said}");
    assert_eq!(node.api("GET", "/flows").status, 200);
}

#[test]
fn a_damaged_configuration_is_named_by_line_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("headwater.toml");
    std::fs::write(&config, "[listeners.mqtt]\naddress = \"0.0.0.0:1883\"\n[log]\nlevle = \"info\"\n").unwrap();
    let data = folder.path().join("data");
    let (code, said) = NodeOptions { config: Some(config.clone()), ..NodeOptions::default() }.refusal(&data);
    assert_eq!(code, Some(3));
    assert!(said.contains("headwater.toml:4: `log.levle`: there is no such key (did you mean `log.level`?)"), "{said}");
    assert!(!data.exists());
    let output = headwater().args(["config", "check", "--config"]).arg(&config).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(3), said));
}

#[test]
fn sigterm_ends_a_node_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    assert!(data.join("node.json").exists());
    assert!(node.stop().success());
    assert!(!data.join("node.json").exists());
    Node::start_in(&data, &NodeOptions::default());
}

#[test]
fn flow_files_are_deployed_at_the_start_and_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let flows = folder.path().join("flows");
    std::fs::create_dir(&flows).unwrap();
    let text = "id = \"clock\"\n[modules.tick]\ntype = \"timer\"\nwith = { interval = \"1h\" }\n\
                [modules.show]\ntype = \"debug\"\n[[connections]]\nfrom = \"tick\"\nto = \"show\"\n";
    std::fs::write(flows.join("clock.toml"), text).unwrap();
    std::fs::write(flows.join("broken.toml"), "id = ").unwrap();
    let options = NodeOptions::default().set("flows_dir", flows.to_str().unwrap());
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &options);
    let version = |node: &Node| node.api("GET", "/flows/clock").json()["flow"]["version"].as_u64();
    assert_eq!(version(&node), Some(1), "{}", node.log());
    assert!(node.log().contains("broken.toml"), "{}", node.log());
    std::fs::write(flows.join("clock.toml"), text.replace("1h", "2h")).unwrap();
    eventually(|| version(&node), |version| *version == Some(2));
    // What a person changes by the API stays until the file changes again.
    assert_eq!(node.deploy(&text.replace("1h", "3h")).json()["version"], 3);
    node.kill();
    let node = Node::start_in(&data, &options);
    assert_eq!(version(&node), Some(3));
}

#[test]
fn a_flow_that_cannot_start_with_the_node_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    let text = "id = \"press\"\nparameters.topic = { type = \"string\", default = \"plc/1\" }\n\
                modules.plc = { type = \"mqtt-sub-broker\", with = { topic = \"{{topic}}\" } }\n";
    assert_eq!(node.deploy(text).status, 200);
    node.stop();
    let node = Node::start_in(&data, &NodeOptions::default().set("flows.press.parameters.topic", "a/#/b"));
    let flow = node.api("GET", "/flows/press").json()["flow"].clone();
    let told = flow["text"].as_str().unwrap();
    assert!(flow["status"] == "failed" && told.contains("modules.plc.with.topic") && told.contains('#'), "{flow}");
    node.stop();
    // What kept it from starting is gone.
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(node.api("GET", "/flows/press").json()["flow"]["status"], "running");
}
