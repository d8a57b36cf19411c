//! Queues as MQTT clients consume them.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::harness::packets::{connect_with, packet, read_packet, text};
use crate::harness::{Node, eventually};
use crate::{Queue, mosquitto};

/// A client of MQTT 5.0, packet by packet. Messages may come before the answer to the subscription that brings them.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    early: VecDeque<(u8, Vec<u8>)>,
}

impl Client {
    /// With a session of an hour and this Receive Maximum.
    pub(crate) fn connected(node: &Node, client_id: &str, clean_start: bool, receive_max: u16) -> Self {
        let mut properties = vec![0x11, 0, 0, 14, 16, 0x21];
        properties.extend(receive_max.to_be_bytes());
        Self::connected_as(node, client_id, clean_start, &properties)
    }

    pub(crate) fn connected_as(node: &Node, client_id: &str, clean_start: bool, properties: &[u8]) -> Self {
        let mut stream = TcpStream::connect(node.mqtt).unwrap();
        stream.write_all(&connect_with(client_id, if clean_start { 2 } else { 0 }, properties, &[])).unwrap();
        assert_eq!(read_packet(&mut stream).unwrap().0, 0x20);
        Self { stream, early: VecDeque::new() }
    }

    /// Subscribes to one filter and gives the reason code of the answer.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        self.ask_for(filter, qos).0
    }

    /// The same, with the reason string, if there is one.
    fn ask_for(&mut self, filter: &str, qos: u8) -> (u8, Option<String>) {
        self.stream.write_all(&packet(0x82, &[vec![0, 1, 0], text(filter), vec![qos]].concat())).unwrap();
        let answer = self.answer(0x90);
        let properties = &answer[3..3 + usize::from(answer[2])];
        let words = properties.first().map(|first| {
            assert_eq!(*first, 0x1F, "a reason string");
            String::from_utf8(properties[3..].to_vec()).unwrap()
        });
        (*answer.last().unwrap(), words)
    }

    /// The body of the next packet that begins so; messages that come before it are kept.
    pub(crate) fn answer(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            match read_packet(&mut self.stream).unwrap() {
                (first, body) if first == wanted => return body,
                message => self.early.push_back(message),
            }
        }
    }

    /// The next message: first byte, packet id, payload.
    fn next(&mut self) -> (u8, [u8; 2], String) {
        let early = self.early.pop_front();
        let (first, body) = early.unwrap_or_else(|| read_packet(&mut self.stream).unwrap());
        assert_eq!(first >> 4, 3, "{first:#x} is no PUBLISH");
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let rest = &body[2 + topic..];
        let properties = usize::from(rest[2]);
        (first, [rest[0], rest[1]], String::from_utf8(rest[3 + properties..].to_vec()).unwrap())
    }

    pub(crate) fn payload_acknowledged(&mut self, reason: u8) -> String {
        let (_, id, payload) = self.next();
        self.stream.write_all(&packet(0x40, &[id[0], id[1], reason, 0])).unwrap();
        payload
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) -> u8 {
        self.stream.write_all(&packet(0xA2, &[vec![0, 2, 0], text(filter)].concat())).unwrap();
        *self.answer(0xB0).last().unwrap()
    }
}

fn filled<'a>(node: &'a Node, settings: &serde_json::Value, payloads: &[&str]) -> Queue<'a> {
    let queue = Queue::made(node, "orders", settings);
    payloads.iter().for_each(|payload| assert_eq!(queue.put("", payload).status, 204));
    queue
}

#[test]
fn what_a_client_acknowledges_is_gone() {
    let node = Node::start();
    let queue = filled(&node, &json!({ "bindings": ["shop"] }), &["a", "b"]);
    // Published with QoS 0, it still is the queue's, and the queue's to be acknowledged.
    assert!(mosquitto(&node, "mosquitto_pub", &["-t", "shop", "-m", "c"]).status.success());
    let taken = mosquitto(&node, "mosquitto_sub", &["-t", "$queue/orders", "-q", "1", "-C", "3", "-F", "%t %q %p"]);
    assert_eq!(String::from_utf8_lossy(&taken.stdout), "$queue/orders 1 a\n$queue/orders 1 b\nshop 1 c\n");
    eventually(|| queue.show(), |shown| shown["messages"] == 0);
    assert_eq!(queue.put("", "d").status, 204);
    let taken = mosquitto(&node, "mosquitto_sub", &["-t", "$queue/orders", "-q", "2", "-C", "1", "-F", "%q %p"]);
    assert_eq!(String::from_utf8_lossy(&taken.stdout), "2 d\n");
    eventually(|| queue.show(), |shown| shown["messages"] == 0);
}

#[test]
fn a_job_that_is_not_worked_off_holds_up_nothing_else_of_its_client() {
    let node = Node::start();
    let queue = filled(&node, &json!({}), &["job"]);
    let mut worker = Client::connected(&node, "worker", true, 100);
    assert_eq!(worker.subscribe("$queue/orders", 1), 1);
    let (_, job, payload) = worker.next();
    assert_eq!(payload, "job");
    assert_eq!(worker.subscribe("alarm/#", 1), 1);
    let alarms = ["one", "two", "three"];
    for alarm in alarms {
        assert!(mosquitto(&node, "mosquitto_pub", &["-t", "alarm/1", "-q", "1", "-m", alarm]).status.success());
    }
    assert_eq!(alarms.map(|_| worker.payload_acknowledged(0)), alarms);
    worker.stream.write_all(&packet(0x40, &[job[0], job[1], 0, 0])).unwrap();
    eventually(|| queue.show(), |shown| shown["messages"] == 0);
}

#[test]
fn what_a_lost_client_had_goes_to_another_in_order() {
    let node = Node::start();
    let queue = filled(&node, &json!({}), &["a", "b", "c", "d"]);
    let mut lost = Client::connected(&node, "lost", true, 3);
    assert_eq!(lost.subscribe("$queue/orders", 1), 1);
    assert_eq!(lost.payload_acknowledged(0), "a");
    assert_eq!([lost.next().2, lost.next().2], ["b", "c"]);
    drop(lost);
    let mut other = Client::connected(&node, "other", true, 10);
    assert_eq!(other.subscribe("$queue/orders", 1), 1);
    assert_eq!([(); 3].map(|()| other.payload_acknowledged(0)), ["b", "c", "d"]);
    let shown = eventually(|| queue.show(), |shown| shown["messages"] == 0);
    // The one that was on its way to the lost client's window was never seen.
    assert!(shown["redelivered"].as_u64().unwrap() >= 2, "{shown}");
}

#[test]
fn two_clients_share_the_messages() {
    let node = Node::start();
    let payloads: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let queue = filled(&node, &json!({}), &[]);
    let mut clients = ["one", "two"].map(|id| Client::connected(&node, id, true, 1));
    clients.iter_mut().for_each(|client| assert_eq!(client.subscribe("$queue/orders", 1), 1));
    payloads.iter().for_each(|payload| assert_eq!(queue.put("", payload).status, 204));
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.extend(clients.iter_mut().map(|client| client.payload_acknowledged(0)));
    }
    taken.sort();
    assert_eq!(taken, payloads);
}

#[test]
fn a_refused_message_comes_again_and_one_of_a_wrong_format_is_dead() {
    let node = Node::start();
    let queue = filled(&node, &json!({}), &["again", "wrong"]);
    let mut client = Client::connected(&node, "worker", true, 1);
    assert_eq!(client.subscribe("$queue/orders", 1), 1);
    assert_eq!(client.payload_acknowledged(0x97), "again");
    assert_eq!(client.payload_acknowledged(0x99), "wrong");
    assert_eq!(client.payload_acknowledged(0), "again");
    eventually(|| queue.show(), |shown| shown["messages"] == 0);
    assert_eq!(Queue::of(&node, "orders-dead").payloads(5), ["wrong"]);
}

#[test]
fn a_session_consumes_its_queue_again_when_it_comes_back_until_it_unsubscribes() {
    let node = Node::start();
    let queue = filled(&node, &json!({}), &["a"]);
    let mut client = Client::connected(&node, "worker", true, 1);
    assert_eq!(client.subscribe("$queue/orders", 1), 1);
    assert_eq!(client.next().2, "a");
    drop(client);
    eventually(|| queue.show(), |shown| shown["consumers"] == 0);
    let mut client = Client::connected(&node, "worker", false, 1);
    assert_eq!(client.payload_acknowledged(0), "a");
    assert_eq!(client.unsubscribe("$queue/orders"), 0);
    assert_eq!(queue.show()["consumers"], 0);
    assert_eq!(client.unsubscribe("$queue/orders"), 0x11);
    assert_eq!(queue.put("", "b").status, 204);
    assert_eq!(queue.payloads(1), ["b"]);
}

#[test]
fn what_cannot_be_consumed_is_refused_with_a_reason() {
    let node = Node::start();
    filled(&node, &json!({}), &["a"]);
    // One does not want to know why: Request Problem Information is 0.
    let mut silent = Client::connected_as(&node, "silent", true, &[0x17, 0]);
    let mut client = Client::connected(&node, "worker", true, 1);
    for (filter, qos, reason, why) in [
        ("$queue/orders", 0, 0x83, "without an acknowledgement"),
        ("$queue/absent", 1, 0x8F, "there is no queue `absent`: make it with"),
        ("$queue/+", 1, 0x8F, "no queue name"),
        ("$queue/#", 1, 0x8F, "no queue name"),
        ("$share/workers/$queue/orders", 1, 0x8F, "subscribe to `$queue/orders`"),
        ("$stream/absent", 1, 0x8F, "there is no stream `absent`"),
    ] {
        let (answer, words) = client.ask_for(filter, qos);
        assert_eq!(answer, reason, "{filter} {qos}");
        assert!(words.as_ref().is_some_and(|words| words.contains(why)), "{filter} {qos}: {words:?}");
        assert_eq!(silent.ask_for(filter, qos), (reason, None), "{filter} {qos}");
    }
    client.stream.write_all(&packet(0x32, &[text("$queue/absent"), vec![0, 9, 0], vec![b'x']].concat())).unwrap();
    let (first, body) = read_packet(&mut client.stream).unwrap();
    assert_eq!((first, &body[..3]), (0x40, &[0, 9, 0x90][..]));
    let answer = node.send("POST", "/publish?topic=$queue/absent&qos=1", &[], b"x");
    assert!(answer.problem(404).contains("$queue/absent"));
}

/// The packet identifiers of its deliveries are forgotten with the process, and the client would take another message for
/// one that it has.
#[test]
fn a_session_that_outlives_the_node_consumes_at_least_once() {
    let node = Node::start();
    let _queue = filled(&node, &json!({}), &["a"]);
    let mut client = Client::connected(&node, "worker", true, 10);
    assert_eq!(client.subscribe("$queue/orders", 2), 1);
    assert_eq!(client.next().0, 0x32);
}

#[test]
fn a_retained_message_to_a_queue_is_in_the_queue_and_nowhere_else() {
    let node = Node::start();
    let queue = Queue::made(&node, "orders", &json!({}));
    for payload in ["job", "end"] {
        let arguments = ["-t", "$queue/orders", "-q", "1", "-r", "-m", payload];
        assert!(mosquitto(&node, "mosquitto_pub", &arguments).status.success());
    }
    // Each consumer that comes gets what is next, as no message is kept beside the queue.
    for payload in ["job", "end"] {
        let arguments = ["-t", "$queue/orders", "-q", "1", "-C", "1", "-F", "%r %p"];
        let taken = mosquitto(&node, "mosquitto_sub", &arguments);
        assert_eq!(String::from_utf8_lossy(&taken.stdout), format!("0 {payload}\n"));
    }
    eventually(|| queue.show(), |shown| shown["messages"] == 0);
    let mut client = Client::connected(&node, "late", true, 10);
    assert_eq!(client.subscribe("$queue/orders", 1), 1);
    assert_eq!(queue.put("", "new").status, 204);
    assert_eq!(client.payload_acknowledged(0), "new");
}

#[test]
fn what_is_too_large_for_one_client_goes_to_another_or_to_the_dead_letters() {
    let node = Node::start();
    let queue = filled(&node, &json!({ "deliveries_max": 2 }), &[]);
    let large = "x".repeat(1_000);
    // Maximum Packet Size 500.
    let mut small = Client::connected_as(&node, "small", true, &[0x27, 0, 0, 1, 0xF4]);
    assert_eq!(small.subscribe("$queue/orders", 1), 1);
    let mut other = Client::connected(&node, "other", true, 1);
    assert_eq!(other.subscribe("$queue/orders", 1), 1);
    (0..4).for_each(|_| assert_eq!(queue.put("", &large).status, 204));
    assert_eq!(queue.put("", "short").status, 204);
    (0..4).for_each(|_| assert_eq!(other.payload_acknowledged(0), large));
    drop(other);
    assert_eq!(small.payload_acknowledged(0), "short");
    let shown = eventually(|| queue.show(), |shown| shown["messages"] == 0 && shown["consumers"] == 1);
    assert_eq!(shown["dead_lettered"], 0, "{shown}");
    assert_eq!(queue.put("", &large).status, 204);
    eventually(|| queue.show(), |shown| shown["dead_lettered"] == 1);
}
