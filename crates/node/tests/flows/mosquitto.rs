//! MQTT clients that are not our own: Debian's mosquitto_pub and mosquitto_sub.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::node::Node;
use crate::patience::eventually;

const MISSING: &str = "these tests need mosquitto's clients: install them with `apt-get install mosquitto-clients`";

/// A message as a subscriber got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retained: bool,
}

/// A mosquitto_sub, subscribed at QoS 1.
pub(crate) struct Subscriber {
    child: Child,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    is_subscribed: AtomicBool,
    messages: Mutex<Vec<Message>>,
}

impl Subscriber {
    /// Subscribes; what is published once this returns is heard.
    pub(crate) fn start(node: &Node, filters: &[&str]) -> Self {
        // Unbuffered, for its own words to come at once.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "mosquitto_sub", "-p", node.mqtt_port(), "-q", "1", "-d", "-F", "> %r %t %p"]);
        for filter in filters {
            command.args(["-t", filter]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect(MISSING);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| hearing.hear(&line)));
        eventually(&format!("a subscription to {filters:?}"), || {
            heard.is_subscribed.load(Ordering::Acquire).then_some(())
        });
        Self { child, heard }
    }

    pub(crate) fn messages(&self) -> MutexGuard<'_, Vec<Message>> {
        self.heard.messages.lock().unwrap()
    }

    /// The payloads that came on a topic, in their order.
    pub(crate) fn payloads(&self, topic: &str) -> Vec<String> {
        let messages = self.messages();
        messages.iter().filter(|message| message.topic == topic).map(|message| message.payload.clone()).collect()
    }

    /// Waits until this many messages have come on a topic.
    pub(crate) fn await_payloads(&self, topic: &str, count: usize) -> Vec<String> {
        let heard = || self.messages().iter().filter(|message| message.topic == topic).count();
        eventually(&format!("{count} messages on {topic}"), || (heard() >= count).then_some(()));
        self.payloads(topic)
    }

    pub(crate) fn await_payload(&self, topic: &str, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        eventually(&format!("{what} on {topic}"), || self.payloads(topic).into_iter().find(|payload| is_it(payload)))
    }
}

impl Heard {
    fn hear(&self, line: &str) {
        if line.starts_with("Subscribed ") {
            self.is_subscribed.store(true, Ordering::Release);
        }
        let Some(message) = line.strip_prefix("> ") else { return };
        let mut parts = message.splitn(3, ' ');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let retained = part() == "1";
        self.messages.lock().unwrap().push(Message { topic: part(), payload: part(), retained });
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended with its node.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A mosquitto_pub that publishes every line that it is given at QoS 1.
pub(crate) struct Publisher {
    child: Child,
    lines: ChildStdin,
}

impl Publisher {
    pub(crate) fn start(node: &Node, topic: &str) -> Self {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-p", node.mqtt_port(), "-q", "1", "-t", topic, "-l"]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect(MISSING);
        let lines = child.stdin.take().unwrap();
        Self { child, lines }
    }

    pub(crate) fn send(&mut self, payload: &str) {
        self.lines.write_all(format!("{payload}\n").as_bytes()).unwrap();
    }

    /// Ends once the node has acknowledged every message.
    pub(crate) fn finish(self) {
        let Self { mut child, lines } = self;
        drop(lines);
        assert!(child.wait().unwrap().success(), "mosquitto_pub could not publish");
    }
}

/// Publishes one message at QoS 1 and waits for the acknowledgement.
pub(crate) fn publish(node: &Node, topic: &str, payload: &str) {
    let output = publish_with(node, &["-q", "1", "-t", topic, "-m", payload]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Publishes with these arguments of mosquitto_pub.
pub(crate) fn publish_with(node: &Node, arguments: &[&str]) -> Output {
    Command::new("mosquitto_pub").args(["-p", node.mqtt_port()]).args(arguments).output().expect(MISSING)
}
