//! More comes than the disk writes at once, although it has room for all of it: publishers wait, and nothing is refused.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::Stream;
use crate::harness::client::Client;
use crate::harness::packets::{packet, publish, read_packet, text};
use crate::harness::syncs::Syncs;
use crate::harness::{Node, eventually};

const PUBLISHERS: usize = 8;
const MESSAGES: u16 = 14;
const PAYLOAD_BYTES: usize = 1_000_000;

/// A node whose disk is slow, with a queue and a stream that get all of what clients send.
fn slow_node() -> (Node, Option<Syncs>) {
    let node = Node::start();
    for path in ["/queues/all", "/streams/all"] {
        let made = node.api_json("PUT", path, &json!({ "bindings": ["big/#"] }));
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let slow = Syncs::slow(node.pid());
    (node, slow)
}

fn messages(node: &Node) -> [u64; 2] {
    ["/queues/all", "/streams/all"].map(|path| node.api("GET", path).json()["messages"].as_u64().unwrap())
}

/// CONNECT of MQTT 5.0 without keep alive: nothing but what it waits for makes the node look at the connection again.
fn connect_5(client_id: &str) -> Vec<u8> {
    packet(0x10, &[text("MQTT"), vec![5, 2, 0, 0, 0], text(client_id)].concat())
}

/// CONNECT of MQTT 3.1.1, without keep alive too.
fn connect_3(client_id: &str) -> Vec<u8> {
    packet(0x10, &[text("MQTT"), vec![4, 2, 0, 0], text(client_id)].concat())
}

/// PUBLISH of QoS 1 in MQTT 3.1.1.
fn publish_3(topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    packet(0x32, &[text(topic), packet_id.to_be_bytes().to_vec(), payload.to_vec()].concat())
}

/// Sends all at once, as far as the node reads, while another thread takes the answers: the reasons in them.
fn flood(mut stream: TcpStream, publishes: Vec<Vec<u8>>, answers: usize) -> Vec<u8> {
    let mut reading = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let answer = |_| {
                let (first, body) = read_packet(&mut reading).unwrap();
                assert_eq!(first, 0x40, "{body:?}");
                body.get(2).copied().unwrap_or_default()
            };
            (0..answers).map(answer).collect()
        });
        for publish in publishes {
            stream.write_all(&publish).unwrap();
        }
        reader.join().unwrap()
    })
}

fn all_flood(node: &Node, answers: usize, publish: impl Fn(usize, u16, &[u8]) -> Vec<u8> + Sync) {
    let payload = vec![b'x'; PAYLOAD_BYTES];
    std::thread::scope(|scope| {
        let (payload, publish) = (&payload, &publish);
        let one = move |place: usize| {
            let name = format!("publisher-{place}");
            let connect = if place.is_multiple_of(2) { connect_5(&name) } else { connect_3(&name) };
            let client = Client::connect(node.mqtt, &connect);
            flood(client.stream, (1..=MESSAGES).map(|id| publish(place, id, payload)).collect(), answers)
        };
        let floods: Vec<_> = (0..PUBLISHERS).map(|place| scope.spawn(move || one(place))).collect();
        for flood in floods {
            let reasons = flood.join().unwrap();
            assert!(reasons.iter().all(|reason| *reason == 0), "{reasons:?}");
        }
    });
}

fn topic(place: usize) -> String {
    format!("big/{place}")
}

#[test]
fn a_burst_that_clients_may_send_is_taken_as_the_disk_writes_it() {
    let (node, _slow) = slow_node();
    all_flood(&node, usize::from(MESSAGES), |place, id, payload| match place % 2 {
        0 => publish(&topic(place), Some(id), payload),
        _ => publish_3(&topic(place), id, payload),
    });
    let all = PUBLISHERS as u64 * u64::from(MESSAGES);
    assert_eq!(messages(&node), [all; 2]);
    assert_eq!(Stream::of(&node, "all").show()["refused"], 0);
}

#[test]
fn a_burst_of_qos_0_is_taken_too() {
    let (node, _slow) = slow_node();
    let all = PUBLISHERS as u64 * u64::from(MESSAGES);
    let payload = vec![b'x'; PAYLOAD_BYTES];
    std::thread::scope(|scope| {
        let payload = &payload;
        for place in 0..PUBLISHERS {
            let mut client = Client::connect(node.mqtt, &connect_5(&format!("publisher-{place}")));
            scope.spawn(move || {
                (0..MESSAGES).for_each(|_| client.send(&publish(&topic(place), None, payload)));
                // A message that is sent before the end of the connection is no less there.
                client.send(&packet(0xe0, &[]));
                assert!(client.read().is_none());
            });
        }
    });
    assert_eq!(eventually(|| messages(&node), |messages| *messages == [all; 2]), [all; 2]);
}

#[test]
fn what_comes_over_http_waits_too() {
    let (node, _slow) = slow_node();
    let payload = vec![b'x'; PAYLOAD_BYTES];
    let callers = 120;
    std::thread::scope(|scope| {
        let (node, payload) = (&node, &payload);
        for caller in 0..callers {
            scope.spawn(move || {
                let path = ["/publish?topic=big/1&qos=1", "/queues/all/messages", "/streams/all/messages"][caller % 3];
                let answer = node.send("POST", path, &[], payload);
                assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
            });
        }
    });
    let by = |place| (0..callers).filter(|caller| caller % 3 == place).count() as u64;
    assert_eq!(messages(&node), [by(0) + by(1), by(0) + by(2)]);
}
