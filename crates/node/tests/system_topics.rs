//! What the node says of its broker under `$SYS/broker`, beside what mosquitto says there.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "this file uses a part of it")]
mod harness;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use harness::client::Client;
use harness::packets::{self, DISCONNECT};
use harness::{Node, NodeOptions, eventually};

const MISSING: &str = "this test needs mosquitto: run scripts/install-test-needs.sh";

/// Topics below `$SYS/broker` with their texts.
type Told = BTreeMap<String, String>;

/// What a broker keeps under `$SYS/broker`; `at` says where it listens, in the words of mosquitto_sub.
fn told(at: &[&str]) -> Told {
    let mut command = Command::new("mosquitto_sub");
    // It ends with the first message that is not a kept one, or after a second.
    command.args(at).args(["-t", "$SYS/broker/#", "-q", "2", "--retained-only", "-W", "1", "-F", "%t=%p"]);
    let output = command.stderr(Stdio::null()).output().expect(MISSING);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("$SYS/broker/")?.split_once('='));
    lines.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn told_by(node: &Node) -> Told {
    told(&["-p", &node.mqtt.port().to_string()])
}

/// A text with `0` for each run of digits, and what stands before "version" left out.
fn form(text: &str) -> String {
    let mut form = text.find("version").map_or(text, |place| &text[place..]).to_owned();
    for digit in '1'..='9' {
        form = form.replace(digit, "0");
    }
    while form.contains("00") {
        form = form.replace("00", "0");
    }
    form
}

fn forms(told: &Told) -> Told {
    told.iter().map(|(name, text)| (name.clone(), form(text))).collect()
}

/// A mosquitto of the test's own, on a socket in a folder that only this user may open.
struct Mosquitto {
    process: Child,
    folder: tempfile::TempDir,
}

impl Mosquitto {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (socket, configuration) = (folder.path().join("socket"), folder.path().join("mosquitto.conf"));
        let text = format!("user root\nlistener 0 {}\nallow_anonymous true\nsys_interval 1\n", socket.display());
        std::fs::write(&configuration, text).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(configuration).env("PATH", path).stderr(Stdio::null());
        Self { process: command.spawn().expect(MISSING), folder }
    }

    fn told(&self) -> Told {
        told(&["--unix", self.folder.path().join("socket").to_str().unwrap()])
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn names_and_forms_are_those_of_mosquitto() {
    let mosquitto = Mosquitto::start();
    let node = Node::start_with(&NodeOptions::default().set("node.sys_interval_s", "1"));
    let own = eventually(|| forms(&told_by(&node)), |own| own.contains_key("load/connections/15min"));
    let mut expected = own.clone();
    // Documented by mosquitto, and no longer told.
    assert_eq!(expected.remove("messages/inflight").as_deref(), Some("0"));
    let theirs = || {
        let mut theirs = forms(&mosquitto.told());
        // Of its own memory allocator; ours is the system's, see `process_resident_memory_bytes`.
        theirs.retain(|name, _| !name.starts_with("heap/"));
        theirs
    };
    // Some of its topics come with its second interval; until then it counts -1 clients.
    eventually(theirs, |theirs| *theirs == expected);
}

#[test]
fn figures_are_those_of_what_happened() {
    let node = Node::start_with(&NodeOptions::default().set("node.sys_interval_s", "1"));
    // A client that stays away with a session, and one that subscribes, shares and does not acknowledge.
    let forever = [17, 0xff, 0xff, 0xff, 0xff];
    let mut away = Client::connect(node.mqtt, &packets::connect_with("away", 2, &forever, &[]));
    away.subscribe("a/#", 1);
    away.send(DISCONNECT);
    assert!(away.read().is_none());
    let mut there = Client::connect(node.mqtt, &packets::connect("there"));
    there.subscribe("a/#", 1);
    there.subscribe("$share/group/b", 0);
    let mut publisher = Client::connect(node.mqtt, &packets::connect("publisher"));
    for _ in 0..3 {
        publisher.publish("a/1", b"12345");
    }
    assert!((0..3).all(|_| there.read().unwrap().0 == 0x32));
    let expected = [
        ("clients/disconnected", "1"),
        ("clients/inactive", "1"),
        ("messages/inflight", "3"),
        ("publish/bytes/received", "15"),
        ("publish/messages/received", "3"),
        ("publish/messages/dropped", "0"),
        ("shared_subscriptions/count", "1"),
    ];
    let has_all = |told: &Told| expected.iter().all(|(name, text)| told.get(*name).is_some_and(|it| it == text));
    let told = eventually(|| told_by(&node), has_all);
    let number = |name: &str| told[name].parse::<u64>().unwrap();
    assert_eq!(number("clients/total"), number("clients/connected") + 1);
    assert_eq!(number("messages/stored"), number("store/messages/count"));
    assert!(number("store/messages/count") >= number("retained messages/count") + 3, "{told:?}");
    assert!(number("clients/maximum") >= 2 && number("subscriptions/count") >= 2, "{told:?}");
    assert!(number("bytes/received") > 3 * 5 && number("bytes/sent") > 3 * 5, "{told:?}");
    assert!(told["load/publish/received/1min"].parse::<f64>().unwrap() > 0.0, "{told:?}");
    let metrics = harness::http(node.web, "GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("headwater_mqtt_in_flight_messages 3\n"), "{metrics}");
}

#[test]
fn an_interval_of_zero_tells_nothing() {
    let node = Node::start_with(&NodeOptions::default().set("node.sys_interval_s", "0"));
    assert_eq!(told_by(&node), Told::new());
}
