//! A disk that is full: what cannot be written is said, all else goes on, and once there is room it is written again.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::curl::curl;
use crate::flow_text::{chain, publish as publish_step, subscribe};
use crate::mosquitto::{Subscriber, publish, publish_with};
use crate::neighbour::undisturbed_while;
use crate::node::Node;
use crate::patience::eventually;

const JSON: &str = "application/json";

/// A node on a disk of its own that can be filled.
struct SmallDisk {
    node: Node,
    filler: PathBuf,
}

impl SmallDisk {
    /// A node whose data directory, or a folder in it, is on a disk of this size; `None` where no process may mount one.
    fn start(size: &str, within: &str) -> Option<Self> {
        let mount = "mount -t tmpfs -o size=64k disk /mnt";
        let tried = Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", mount]).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            println!("skipped: making a small disk asks for root and the right to mount");
            return None;
        }
        let node = Node::start_on_small_disk(size, within);
        let filler = node.data_dir().join(within).join("filler");
        Some(Self { node, filler })
    }

    /// Writes until the disk takes no more.
    fn fill(&self) {
        let mut file = File::create(&self.filler).unwrap();
        for chunk in [64 * 1024, 512, 1] {
            while file.write_all(&vec![0; chunk]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(&self.filler).unwrap();
    }
}

#[test]
fn a_full_disk_fails_its_writes_clearly_and_nothing_else() {
    let Some(disk) = SmallDisk::start("16m", "") else { return };
    let node = &disk.node;
    let set = "{ type = 'kv-set', with = { store = 'orders', persistent = true, key = '{data.key}' } }";
    let failed = format!("[[connections]]\nfrom = 's1'\nto = 's3'\nport = 'error'\n[modules.s3]\n{}", {
        "type = 'mqtt-pub-broker'\nwith = { topic = 'orders/failed', source = 'headwater.message', qos = 1 }\n"
    });
    let text = chain("orders", &[&subscribe("orders/in"), set, &publish_step("orders/written")]);
    node.deploy("orders", &(text + &failed));
    let subscriber = Subscriber::start(node, &["orders/+"]);
    publish(node, "orders/in", r#"{"key":"before"}"#);
    subscriber.await_payloads("orders/written", 1);
    undisturbed_while(node, || {
        disk.fill();
        publish(node, "orders/in", r#"{"key":"full"}"#);
        let told = subscriber.await_payloads("orders/failed", 1).swap_remove(0);
        assert!(told.contains("disk") && told.contains("full"), "{told}");
        let refused = node.api("PUT", "/kv/orders/full", Some((JSON, "1")));
        assert_eq!(refused.status, 507, "{}", refused.body);
        assert_eq!(node.save("sketch", "id = \"sketch\"\n").status, 507);
        // A retained message is told to be refused by its reason, 0x97.
        let retain = ["-V", "5", "-q", "1", "-r", "-t", "plant/state", "-m", "full", "-d"];
        let output = publish_with(node, &retain);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("RC:151") || said.contains("Quota exceeded"), "{said}");
        // What was stored is there, and flows run.
        assert_eq!(node.get("/kv/orders/before")["key"], "before");
        assert_eq!(node.flow("orders")["status"], "running");
        disk.make_room();
        publish(node, "orders/in", r#"{"key":"after"}"#);
        subscriber.await_payloads("orders/written", 2);
        assert_eq!(node.api("PUT", "/kv/orders/again", Some((JSON, "1"))).status, 201);
        assert!(publish_with(node, &["-V", "5", "-q", "1", "-r", "-t", "plant/other", "-m", "1"]).status.success());
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
    send_within("3", node, qos, payload)
}

fn send_within(seconds: &str, node: &Node, qos: &str, payload: &str) -> Sent {
    let mut command = Command::new("timeout");
    command.args([seconds, "mosquitto_pub", "-p", node.mqtt_port(), "-V", "5", "-q", qos, "-t", "plant/1"]);
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

/// A client with a session on disk that has all of `plant/#`.
fn reader(node: &Node, more: &[&str]) -> Command {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", node.mqtt_port(), "-V", "5", "-c", "-x", "3600", "-i", "reader", "-q", "1", "-t", "plant/#"]);
    command.args(more);
    command
}

/// Gives the first messages that a subscriber gets who leaves after so many.
fn lines(mut subscriber: Command) -> Vec<String> {
    let output = subscriber.output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn payloads(answer: &Value) -> Vec<String> {
    let payload = |it: &Value| it["message"]["payload"].as_str().unwrap().to_owned();
    answer["messages"].as_array().unwrap().iter().map(payload).collect()
}

/// Takes what a queue has.
fn in_queue(node: &Node) -> Vec<String> {
    payloads(&node.api("POST", "/queues/orders/consume?max=1000", None).json())
}

/// What a stream has, read over HTTP from its beginning.
fn in_stream(node: &Node) -> Vec<String> {
    payloads(&node.get("/streams/log/messages?offset=0&max=1000"))
}

#[test]
fn a_full_disk_refuses_what_is_for_sessions_and_queues_until_there_is_room_and_loses_nothing() {
    // The log of what waits keeps a reserve, and so does the file of tables.
    let Some(disk) = SmallDisk::start("96m", "") else { return };
    let node = &disk.node;
    let queue = r#"{"bindings":["plant/#"]}"#;
    assert_eq!(node.api("PUT", "/queues/orders", Some((JSON, queue))).status, 201);
    assert!(reader(node, &["-E"]).status().unwrap().success());
    let subscriber = Subscriber::start(node, &["other/+"]);
    assert_eq!(send(node, "1", "before"), Sent::Acknowledged);
    disk.fill();
    // The first message finds out that there is no room, and may have to wait for it.
    let mut first = send_patiently(node, "first");
    eventually("a message that is refused", || (send(node, "1", "full") == Sent::Refused).then_some(()));
    assert_eq!(send(node, "1", "refused"), Sent::Refused);
    assert_eq!(send(node, "2", "refused"), Sent::Refused);
    let refused = node.api("POST", "/queues/orders/messages", Some(("text/plain", "refused")));
    assert_eq!(refused.status, 507, "{}", refused.body);
    // A person is told as well as those who publish.
    let asked = |path: &str| curl(&[&format!("http://{}/{path}", node.web())], None);
    eventually("word of the full disk", || asked("readyz").body.contains("the disk is full").then_some(()));
    let metrics = asked("metrics").body;
    assert!(
        metrics.contains("headwater_spool_shortages_total ")
            && !metrics.contains("headwater_spool_shortages_total 0\n")
    );
    // Those who have nothing there are served, and so is QoS 0.
    publish_with(node, &["-V", "5", "-q", "0", "-t", "plant/1", "-m", "unkept"]);
    publish(node, "other/1", "served");
    subscriber.await_payloads("other/1", 1);
    disk.make_room();
    eventually("a message that is taken again", || (send(node, "1", "after") == Sent::Acknowledged).then_some(()));
    // It has its answer: taken now, or refused then.
    first.wait().unwrap();
    assert_eq!(send(node, "2", "last"), Sent::Acknowledged);
    let acknowledged = ["before", "after", "last"];
    let queued = in_queue(node);
    let has = |payload: &str| queued.iter().any(|it| it == payload);
    assert!(acknowledged.iter().all(|payload| has(payload)) && !has("refused"), "{queued:?}");
    // The session has the same.
    assert_eq!(lines(reader(node, &["-C", &queued.len().to_string()])), queued);
}

#[test]
fn a_full_disk_refuses_what_is_for_a_stream_until_there_is_room_and_loses_nothing() {
    let Some(disk) = SmallDisk::start("96m", "") else { return };
    let node = &disk.node;
    let append = |payload: &str| node.api("POST", "/streams/log/messages", Some(("text/plain", payload)));
    assert_eq!(node.api("PUT", "/streams/log", Some((JSON, r#"{"bindings":["plant/#"]}"#))).status, 201);
    let subscriber = Subscriber::start(node, &["other/+", "plant/+"]);
    assert_eq!(send(node, "1", "before"), Sent::Acknowledged);
    assert_eq!(send(node, "2", "before too"), Sent::Acknowledged);
    assert_eq!(append("by hand").status, 200);
    let kept = ["before", "before too", "by hand"];
    disk.fill();
    let mut first = send_patiently(node, "first");
    eventually("a message that is refused", || (send(node, "1", "full") == Sent::Refused).then_some(()));
    // The words of PUBACK, PUBREC and HTTP.
    assert_eq!(send(node, "1", "refused"), Sent::Refused);
    assert_eq!(send(node, "2", "refused"), Sent::Refused);
    let refused = append("refused");
    assert_eq!(refused.status, 507, "{}", refused.body);
    assert!(refused.body.contains("the disk has") && refused.body.contains("make room"), "{}", refused.body);
    // All that needs no room goes on: routing, what is for nobody's disk, and reading the stream.
    publish_with(node, &["-V", "5", "-q", "0", "-t", "plant/2", "-m", "unkept"]);
    publish(node, "other/1", "served");
    subscriber.await_payloads("plant/2", 1);
    subscriber.await_payloads("other/1", 1);
    assert!(in_stream(node).starts_with(&kept.map(str::to_owned)));
    let mut reader = Command::new("mosquitto_sub");
    reader.args(["-p", node.mqtt_port(), "-V", "5", "-q", "1", "-t", "$stream/log", "-C", "3"]);
    reader.args(["-D", "subscribe", "user-property", "offset", "earliest"]);
    assert_eq!(lines(reader), kept);
    // Nothing was acknowledged in between, and it goes on by itself once there is room.
    disk.make_room();
    eventually("a message that is taken again", || (send(node, "1", "after") == Sent::Acknowledged).then_some(()));
    first.wait().unwrap();
    assert_eq!(send(node, "2", "after too"), Sent::Acknowledged);
    assert_eq!(append("last").status, 200);
    let all = in_stream(node);
    assert!(!all.iter().any(|payload| payload == "refused"), "what was refused is nowhere: {all:?}");
    // "first" and "full" may have waited for room; "after" was tried until it was taken.
    let mut told: Vec<&str> = all.iter().map(String::as_str).filter(|it| !["first", "full"].contains(it)).collect();
    told.dedup();
    assert_eq!(told, ["before", "before too", "by hand", "after", "after too", "last"]);
}

#[test]
fn what_a_full_stream_refuses_comes_to_nobody_and_to_everyone_once_when_there_is_room() {
    // The stream's disk is full; that of the queue and the session is not.
    let Some(disk) = SmallDisk::start("96m", "streams") else { return };
    let node = &disk.node;
    let bound = r#"{"bindings":["plant/#"]}"#;
    for path in ["/queues/orders", "/streams/log"] {
        assert_eq!(node.api("PUT", path, Some((JSON, bound))).status, 201);
    }
    assert!(reader(node, &["-E"]).status().unwrap().success());
    let subscriber = Subscriber::start(node, &["plant/+"]);
    assert_eq!(send(node, "1", "before"), Sent::Acknowledged);
    disk.fill();
    // The first message finds out, and may wait with the others that come before it has: they are taken everywhere.
    let mut first = send_patiently(node, "first");
    let mut early = 0;
    let refused = eventually("a message that is refused", || {
        let payload = format!("early {early}");
        early += 1;
        (send(node, "1", &payload) == Sent::Refused).then_some(payload)
    });
    assert_eq!(send(node, "1", "refused"), Sent::Refused);
    assert_eq!(send(node, "2", "refused too"), Sent::Refused);
    let retain = ["-V", "5", "-q", "1", "-r", "-t", "plant/1", "-m", "refused and not kept"];
    publish_with(node, &retain);
    let answer = node.api("POST", "/publish?topic=plant/1&qos=1", Some(("text/plain", "refused over HTTP")));
    assert_eq!(answer.status, 507, "{}", answer.body);
    // What is for the others alone is taken.
    let text = Some(("text/plain", "in the queue alone"));
    assert_eq!(node.api("POST", "/queues/orders/messages", text).status, 204);
    // Whoever sends again makes no duplicate: nobody had it.
    disk.make_room();
    eventually("a message that is taken again", || (send(node, "1", "after") == Sent::Acknowledged).then_some(()));
    first.wait().unwrap();
    let again = [refused.as_str(), "refused", "refused too", "refused over HTTP"];
    for payload in again {
        assert_eq!(send_within("240", node, "1", payload), Sent::Acknowledged);
    }
    publish(node, "plant/1", "last");
    subscriber.await_payload("plant/1", "the last message", |payload| payload == "last");
    let (heard, queued, streamed) = (subscriber.payloads("plant/1"), in_queue(node), in_stream(node));
    let in_session = lines(reader(node, &["-C", &heard.len().to_string()]));
    for (whose, payloads) in [("heard", &heard), ("queue", &queued), ("session", &in_session), ("stream", &streamed)] {
        for payload in ["before", "last"].iter().chain(&again) {
            let times = payloads.iter().filter(|it| it == payload).count();
            assert_eq!(times, 1, "`{payload}` in what {whose} has: {payloads:?}");
        }
        assert!(!payloads.iter().any(|payload| payload == "refused and not kept"), "{whose} {payloads:?}");
    }
    let anew = Subscriber::start(node, &["plant/+", "other"]);
    publish(node, "other", "nothing retained came before this");
    anew.await_payloads("other", 1);
    assert_eq!(anew.messages().len(), 1);
}
