//! A disk that is full: what cannot be written is said, all else goes on, and once there is room it is written again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::flow_text::{chain, publish as publish_step, subscribe};
use crate::mosquitto::{Subscriber, publish, publish_with};
use crate::neighbour::undisturbed_while;
use crate::node::Node;

const JSON: &str = "application/json";

/// Writes until the disk takes no more.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for chunk in [64 * 1024, 512, 1] {
        while file.write_all(&vec![0; chunk]).is_ok() {}
    }
}

/// Whether a process may mount a file system of its own here.
fn may_mount() -> bool {
    let mount = "mount -t tmpfs -o size=64k disk /mnt";
    let tried = Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", mount]).output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_fails_its_writes_clearly_and_nothing_else() {
    if !may_mount() {
        println!("skipped: making a small disk asks for root and the right to mount");
        return;
    }
    let node = Node::start_on_small_disk("16m");
    let set = "{ type = 'kv-set', with = { store = 'orders', persistent = true, key = '{data.key}' } }";
    let failed = format!("[[connections]]\nfrom = 's1'\nto = 's3'\nport = 'error'\n[modules.s3]\n{}", {
        "type = 'mqtt-pub-broker'\nwith = { topic = 'orders/failed', source = 'headwater.message', qos = 1 }\n"
    });
    let text = chain("orders", &[&subscribe("orders/in"), set, &publish_step("orders/written")]);
    node.deploy("orders", &(text + &failed));
    let subscriber = Subscriber::start(&node, &["orders/+"]);
    publish(&node, "orders/in", r#"{"key":"before"}"#);
    subscriber.await_payloads("orders/written", 1);
    let filler = node.data_dir().join("filler");
    undisturbed_while(&node, || {
        fill(&filler);
        publish(&node, "orders/in", r#"{"key":"full"}"#);
        let told = subscriber.await_payloads("orders/failed", 1).swap_remove(0);
        assert!(told.contains("disk") && told.contains("full"), "{told}");
        let refused = node.api("PUT", "/kv/orders/full", Some((JSON, "1")));
        assert_eq!(refused.status, 507, "{}", refused.body);
        assert_eq!(node.save("sketch", "id = \"sketch\"\n").status, 507);
        // A retained message is told to be refused by its reason, 0x97.
        let retain = ["-V", "5", "-q", "1", "-r", "-t", "plant/state", "-m", "full", "-d"];
        let output = publish_with(&node, &retain);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("RC:151") || said.contains("Quota exceeded"), "{said}");
        // What was stored is there, and flows run.
        assert_eq!(node.get("/kv/orders/before")["key"], "before");
        assert_eq!(node.flow("orders")["status"], "running");
        std::fs::remove_file(&filler).unwrap();
        publish(&node, "orders/in", r#"{"key":"after"}"#);
        subscriber.await_payloads("orders/written", 2);
        assert_eq!(node.api("PUT", "/kv/orders/again", Some((JSON, "1"))).status, 201);
        assert!(publish_with(&node, &["-V", "5", "-q", "1", "-r", "-t", "plant/other", "-m", "1"]).status.success());
    });
    let keys = node.get("/kv/orders")["keys"].take();
    assert_eq!(keys, serde_json::json!(["after", "again", "before"]));
    assert!(subscriber.payloads("orders/failed").len() == 1);
}
