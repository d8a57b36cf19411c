//! "A first flow in five minutes" of the README: what is printed there works as it stands.

use super::{deploy, of_repository};
use crate::mosquitto::{Subscriber, publish};
use crate::node::Node;

/// The first flow of the README, as people copy it.
fn first_flow() -> String {
    let readme = std::fs::read_to_string(of_repository("README.md")).unwrap();
    let (_, after) = readme.split_once("```toml\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_first_flow_of_the_readme_warns_above_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hot.toml");
    let path = file.to_str().unwrap().to_owned();
    let text = first_flow();
    std::fs::write(&file, &text).unwrap();
    let node = Node::start();
    assert!(node.command_line(&["flow", "check", &path]).status.success());
    deploy(&node, std::slice::from_ref(&path));
    let subscriber = Subscriber::start(&node, &["factory/alarm"]);
    let measure = |temperature_f| publish(&node, "plc/1", &format!("{{ \"temperature_f\": {temperature_f} }}"));
    measure(68);
    measure(104);
    assert_eq!(subscriber.await_payloads("factory/alarm", 1).len(), 1);

    assert!(text.contains("value = 30"), "the README has people change this");
    std::fs::write(&file, text.replace("value = 30", "value = 50")).unwrap();
    deploy(&node, &[path]);
    measure(104);
    measure(140);
    let alarms = subscriber.await_payloads("factory/alarm", 2);
    assert!(alarms[0].contains("104") && alarms[1].contains("140") && alarms.len() == 2, "{alarms:?}");
}
