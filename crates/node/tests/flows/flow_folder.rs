//! A folder of flow files: deployed at the start and on change. A file that cannot run changes nothing; a file that goes
//! leaves its flow as it is, as a person may have taken it away by mistake.

use std::fs;

use tempfile::TempDir;

use crate::flow_text::{chain, script_flow};
use crate::node::Node;
use crate::patience::eventually;

fn flow(id: &str, edition: usize) -> String {
    script_flow(id, &format!("{id}/in"), &format!("message.data = {edition};"), &format!("{id}/out"))
}

fn node_with(folder: &TempDir) -> Node {
    Node::start_with(&[&format!("flows_dir={}", folder.path().display())])
}

fn version(node: &Node, id: &str) -> u64 {
    node.flow(id)["version"].as_u64().unwrap()
}

fn await_log(node: &Node, words: &[&str]) {
    eventually(&format!("{words:?} in the log"), || {
        node.log().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

#[test]
fn flow_files_are_deployed_at_the_start_and_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("press.toml"), flow("press", 1)).unwrap();
    fs::write(folder.path().join("notes.txt"), "not a flow").unwrap();
    let mut node = node_with(&folder);
    assert_eq!((version(&node, "press"), &node.flow("press")["status"]), (1, &"running".into()));
    fs::write(folder.path().join("press.toml"), flow("press", 22)).unwrap();
    node.await_flow("press", "has the changed file", |state| state["version"] == 2);
    fs::write(folder.path().join("drill.toml"), flow("drill", 1)).unwrap();
    eventually("the new file", || (node.api("GET", "/flows/drill", None).status == 200).then_some(()));
    // A file that is as it was is left alone by a restart, and so is what was changed over the API since.
    node.deploy("press", &flow("press", 333));
    node.terminate();
    node.await_end();
    let node = node.start_again();
    assert_eq!((version(&node, "press"), version(&node, "drill")), (3, 1));
    assert!(node.get("/flows/press")["draft"].to_string().contains("333"));
}

#[test]
fn a_broken_file_is_named_with_its_place_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("press.toml"), flow("press", 1)).unwrap();
    fs::write(folder.path().join("drill.toml"), "id = \"drill\"\n[modules\n").unwrap();
    let node = node_with(&folder);
    await_log(&node, &["drill.toml", "line 2"]);
    assert_eq!(node.flow("press")["status"], "running");
    for (broken, word) in
        [("id = \"press\"\n[modules\n", "line 2"), ("id = \"press\"\nmodules.a.type = \"nothing\"\n", "nothing")]
    {
        fs::write(folder.path().join("press.toml"), broken).unwrap();
        await_log(&node, &["press.toml", word]);
        assert_eq!((version(&node, "press"), &node.flow("press")["status"]), (1, &"running".into()));
    }
    fs::write(folder.path().join("press.toml"), flow("press", 4444)).unwrap();
    node.await_flow("press", "has the mended file", |state| state["version"] == 2);
}

#[test]
fn a_file_that_goes_leaves_its_flow_running() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("press.toml"), flow("press", 1)).unwrap();
    let node = node_with(&folder);
    fs::remove_file(folder.path().join("press.toml")).unwrap();
    // The next look at the folder has happened once a file that was put there later is deployed.
    fs::write(folder.path().join("drill.toml"), flow("drill", 1)).unwrap();
    eventually("the new file", || (node.api("GET", "/flows/drill", None).status == 200).then_some(()));
    assert_eq!((version(&node, "press"), &node.flow("press")["status"]), (1, &"running".into()));
}

#[test]
fn a_file_that_has_not_changed_gives_way_to_the_api_however_often_that_has_deployed_since() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("press.toml"), flow("press", 1)).unwrap();
    let mut node = node_with(&folder);
    // More than the versions that a node keeps.
    (2..=103).for_each(|edition| node.deploy("press", &flow("press", edition)));
    node.kill();
    let node = node.start_again();
    assert_eq!(version(&node, "press"), 103);
    fs::write(folder.path().join("press.toml"), flow("press", 4444)).unwrap();
    node.await_flow("press", "has the changed file", |state| state["version"] == 104);
    await_log(&node, &["press.toml", "takes the place of a version that was made elsewhere"]);
}

#[test]
fn a_changed_file_is_deployed_beside_a_draft_that_someone_is_at_work_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("press.toml"), flow("press", 1)).unwrap();
    let node = node_with(&folder);
    assert_eq!(node.save("press", &flow("press", 22)).status, 200);
    fs::write(folder.path().join("press.toml"), flow("press", 333)).unwrap();
    node.await_flow("press", "has the changed file", |state| state["version"] == 2);
    await_log(&node, &["press.toml", "the draft, which `api` changed, differs from the file and was kept"]);
    let draft = node.get("/flows/press")["draft"].take();
    assert!(draft["differs"] == true && draft["flow"].to_string().contains("message.data = 22;"), "{draft}");
    let deployed = node.get("/flows/press/versions")["versions"][1].take();
    assert!(deployed["note"].as_str().unwrap().contains("was kept"), "{deployed}");
}

#[test]
fn a_file_is_deployed_once_what_stood_in_its_way_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let steps = ["{ type = 'http-listener', with = { path = '/orders' } }", "{ type = 'debug' }"];
    let node = node_with(&folder);
    node.deploy("first", &chain("first", &steps));
    fs::write(folder.path().join("second.toml"), chain("second", &steps)).unwrap();
    await_log(&node, &["second.toml", "orders"]);
    assert_eq!(node.flow("second")["status"], "draft");
    assert_eq!(node.api("DELETE", "/flows/first", None).status, 204);
    node.await_flow("second", "is deployed", |state| state["status"] == "running");
}
