//! A disk that is full: what cannot be written is said, all else goes on, and once there is room it is written again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::flow_text::{chain, publish as publish_step, subscribe};
use crate::mosquitto::{Subscriber, publish, publish_with};
use crate::neighbour::undisturbed_while;
use crate::node::Node;
use crate::patience::eventually;

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

/// What became of one message.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Acknowledged,
    Refused,
    /// No answer yet: the publisher gave up.
    Waits,
}

fn send(node: &Node, qos: &str, payload: &str) -> Sent {
    let mut command = Command::new("timeout");
    command.args(["3", "mosquitto_pub", "-p", node.mqtt_port(), "-V", "5", "-q", qos, "-t", "plant/1"]);
    let output = command.args(["-m", payload, "-d"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(124) => Sent::Waits,
        _ if said.contains("RC:151") || said.contains("Quota exceeded") => Sent::Refused,
        Some(0) => Sent::Acknowledged,
        _ => panic!("{said}"),
    }
}

/// A publisher that waits for its acknowledgement as long as it takes.
fn send_patiently(node: &Node, payload: &str) -> Child {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", node.mqtt_port(), "-V", "5", "-q", "1", "-t", "plant/1", "-m", payload]);
    command.stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_full_disk_refuses_what_is_for_sessions_and_queues_until_there_is_room_and_loses_nothing() {
    if !may_mount() {
        println!("skipped: making a small disk asks for root and the right to mount");
        return;
    }
    // The log of what waits keeps a reserve, and so does the file of tables.
    let node = Node::start_on_small_disk("96m");
    let queue = r#"{"bindings":["plant/#"]}"#;
    assert_eq!(node.api("PUT", "/queues/orders", Some((JSON, queue))).status, 201);
    let reader = ["-V", "5", "-c", "-x", "3600", "-i", "reader", "-q", "1", "-t", "plant/#"];
    let subscribe = |more: &[&str]| {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-p", node.mqtt_port()]).args(reader).args(more);
        command
    };
    assert!(subscribe(&["-E"]).status().unwrap().success());
    let subscriber = Subscriber::start(&node, &["other/+"]);
    assert_eq!(send(&node, "1", "before"), Sent::Acknowledged);
    let filler = node.data_dir().join("filler");
    fill(&filler);
    // The first message finds out that there is no room, and may have to wait for it.
    let mut first = send_patiently(&node, "first");
    eventually("a message that is refused", || (send(&node, "1", "full") == Sent::Refused).then_some(()));
    assert_eq!(send(&node, "1", "refused"), Sent::Refused);
    assert_eq!(send(&node, "2", "refused"), Sent::Refused);
    let refused = node.api("POST", "/queues/orders/messages", Some(("text/plain", "refused")));
    assert_eq!(refused.status, 507, "{}", refused.body);
    // Those who have nothing there are served, and so is QoS 0.
    publish_with(&node, &["-V", "5", "-q", "0", "-t", "plant/1", "-m", "unkept"]);
    publish(&node, "other/1", "served");
    subscriber.await_payloads("other/1", 1);
    std::fs::remove_file(&filler).unwrap();
    eventually("a message that is taken again", || (send(&node, "1", "after") == Sent::Acknowledged).then_some(()));
    // It has its answer: taken now, or refused then.
    first.wait().unwrap();
    assert_eq!(send(&node, "2", "last"), Sent::Acknowledged);
    let acknowledged = ["before", "after", "last"];
    let is_all = |payloads: &[&str]| {
        assert!(
            payloads.iter().all(|payload| ["before", "first", "full", "after", "last"].contains(payload)),
            "{payloads:?}"
        );
        acknowledged.iter().all(|payload| payloads.contains(payload))
    };
    let answer = node.api("POST", "/queues/orders/consume?max=100", None);
    let taken: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let messages = taken["messages"].as_array().unwrap();
    let payloads: Vec<&str> = messages.iter().map(|it| it["message"]["payload"].as_str().unwrap()).collect();
    assert!(is_all(&payloads), "{payloads:?}");
    // The session has the same.
    let count = payloads.len().to_string();
    let output = subscribe(&["-C", &count]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().collect::<Vec<_>>(), payloads);
}

/// What a stream has, read over HTTP from its beginning.
fn in_stream(node: &Node) -> Vec<String> {
    let page = node.get("/streams/log/messages?offset=0&max=1000");
    let payload = |it: &serde_json::Value| it["message"]["payload"].as_str().unwrap().to_owned();
    page["messages"].as_array().unwrap().iter().map(payload).collect()
}

#[test]
fn a_full_disk_refuses_what_is_for_a_stream_until_there_is_room_and_loses_nothing() {
    if !may_mount() {
        println!("skipped: making a small disk asks for root and the right to mount");
        return;
    }
    let node = Node::start_on_small_disk("96m");
    let append = |payload: &str| node.api("POST", "/streams/log/messages", Some(("text/plain", payload)));
    assert_eq!(node.api("PUT", "/streams/log", Some((JSON, r#"{"bindings":["plant/#"]}"#))).status, 201);
    let subscriber = Subscriber::start(&node, &["other/+", "plant/+"]);
    assert_eq!(send(&node, "1", "before"), Sent::Acknowledged);
    assert_eq!(send(&node, "2", "before too"), Sent::Acknowledged);
    assert_eq!(append("by hand").status, 200);
    let kept = ["before", "before too", "by hand"];
    let filler = node.data_dir().join("filler");
    fill(&filler);
    let mut first = send_patiently(&node, "first");
    eventually("a message that is refused", || (send(&node, "1", "full") == Sent::Refused).then_some(()));
    // The words of PUBACK, PUBREC and HTTP.
    assert_eq!(send(&node, "1", "refused"), Sent::Refused);
    assert_eq!(send(&node, "2", "refused"), Sent::Refused);
    let refused = append("refused");
    assert_eq!(refused.status, 507, "{}", refused.body);
    assert!(refused.body.contains("the disk has") && refused.body.contains("make room"), "{}", refused.body);
    // All that needs no room goes on: routing, what is for nobody's disk, and reading the stream.
    publish_with(&node, &["-V", "5", "-q", "0", "-t", "plant/2", "-m", "unkept"]);
    publish(&node, "other/1", "served");
    subscriber.await_payloads("plant/2", 1);
    subscriber.await_payloads("other/1", 1);
    assert!(in_stream(&node).starts_with(&kept.map(str::to_owned)));
    let mut reader = Command::new("mosquitto_sub");
    reader.args(["-p", node.mqtt_port(), "-V", "5", "-q", "1", "-t", "$stream/log", "-C", "3"]);
    let output = reader.args(["-D", "subscribe", "user-property", "offset", "earliest"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), kept);
    // Nothing was acknowledged in between, and it goes on by itself once there is room.
    std::fs::remove_file(&filler).unwrap();
    eventually("a message that is taken again", || (send(&node, "1", "after") == Sent::Acknowledged).then_some(()));
    first.wait().unwrap();
    assert_eq!(send(&node, "2", "after too"), Sent::Acknowledged);
    assert_eq!(append("last").status, 200);
    let all = in_stream(&node);
    assert!(!all.iter().any(|payload| payload == "refused"), "what was refused is nowhere: {all:?}");
    // "first" and "full" may have waited for room; "after" was tried until it was taken.
    let mut told: Vec<&str> = all.iter().map(String::as_str).filter(|it| !["first", "full"].contains(it)).collect();
    told.dedup();
    assert_eq!(told, ["before", "before too", "by hand", "after", "after too", "last"]);
}
