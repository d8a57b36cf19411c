//! MQTT over WebSocket from outside: who is let in, how packets and messages go together, and how it ends.

mod client;
#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "these tests use a part of it")]
mod harness;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use client::{WebSocketClient, close_code};
use harness::packets::{self, DISCONNECT, PINGREQ, read_packet};
use harness::{Node, NodeOptions, eventually, http};
use tokio_tungstenite::tungstenite::Message;

const UPGRADE: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "mqtt"),
];

#[test]
fn what_is_no_websocket_for_mqtt_gets_an_answer_in_http() {
    let node = Node::start();
    let ask = |method: &str, path: &str, without: &str| {
        let kept = UPGRADE.iter().filter(|(name, _)| *name != without).copied();
        let headers: Vec<_> = kept.chain([("connection", "upgrade")]).collect();
        http(node.mqtt_ws, method, path, &headers, b"")
    };
    assert!(ask("GET", "/", "").problem(404).contains("/mqtt"));
    ask("POST", "/mqtt", "").problem(405);
    ask("GET", "/mqtt", "upgrade").problem(426);
    let old = ask("GET", "/mqtt", "sec-websocket-version");
    old.problem(426);
    assert_eq!(old.header("sec-websocket-version"), "13");
    assert!(ask("GET", "/mqtt", "sec-websocket-protocol").problem(400).contains("`mqtt`"));
    ask("GET", "/mqtt", "sec-websocket-key").problem(400);
    // Someone who took the port for that of MQTT over TCP.
    let mut stream = TcpStream::connect(node.mqtt_ws).unwrap();
    stream.write_all(&packets::connect("lost")).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 400 "), "{line}");
}

#[test]
fn the_handshake_is_that_of_the_specification() {
    let node = Node::start();
    let headers: Vec<_> = UPGRADE.into_iter().chain([("connection", "keep-alive, Upgrade")]).collect();
    let mut stream = TcpStream::connect(node.mqtt_ws).unwrap();
    let mut request = "GET /mqtt HTTP/1.1\r\nhost: any.name.example\r\n".to_owned();
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let lines = BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(|line| line.to_lowercase()).collect();
    assert!(lines[0].starts_with("http/1.1 101 "), "{lines:?}");
    for expected in ["upgrade: websocket", "connection: upgrade", "sec-websocket-protocol: mqtt"] {
        assert!(lines.iter().any(|line| line == expected), "{expected} {lines:?}");
    }
    // The example of RFC 6455.
    assert!(lines.iter().any(|line| *line == "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{lines:?}");
}

#[test]
fn pages_from_elsewhere_are_refused() {
    let allowed = NodeOptions::default().set("listeners.mqtt_ws.allowed_origins", "https://dashboard.example");
    let node = Node::start_with(&allowed.set("listeners.web.host_names", "edge.example"));
    for (host, origin, expect) in [
        ("127.0.0.1", None, 101),
        ("127.0.0.1", Some("http://localhost:8080"), 101),
        ("127.0.0.1", Some("https://dashboard.example"), 101),
        ("edge.example", Some("https://edge.example"), 101),
        ("127.0.0.1", Some("https://evil.example"), 403),
        ("evil.example", Some("http://evil.example"), 403),
        ("127.0.0.1", Some("null"), 403),
    ] {
        let opened = WebSocketClient::open_as(node.mqtt_ws, host, origin);
        assert_eq!(opened.map_or_else(|status| status, |_| 101), expect, "{host} {origin:?}");
    }
}

#[test]
fn packets_may_span_messages_and_share_one() {
    let node = Node::start();
    let mut client = WebSocketClient::open(node.mqtt_ws);
    for byte in packets::connect("apart") {
        client.send(Message::Binary(vec![byte].into()));
    }
    client.send(Message::Binary(Vec::new().into()));
    assert_eq!(read_packet(&mut client).unwrap().0, 0x20);
    let together = [packets::subscribe("a/#", 0), packets::publish("a/1", None, b"one"), PINGREQ.to_vec()].concat();
    let (first, last) = together.split_at(7);
    client.send_in_fragments(&[first, last]);
    let mut seen: Vec<u8> = (0..3).map(|_| read_packet(&mut client).unwrap().0).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0x30, 0x90, 0xd0]);
}

#[test]
fn pings_of_the_websocket_are_answered_before_and_after_connect() {
    let node = Node::start();
    let mut client = WebSocketClient::open(node.mqtt_ws);
    for connected in [false, true] {
        if connected {
            client.send(Message::Binary(packets::connect("ping").into()));
            assert_eq!(read_packet(&mut client).unwrap().0, 0x20);
        }
        client.send(Message::Ping(b"there?".to_vec().into()));
        assert_eq!(client.next(), Message::Pong(b"there?".to_vec().into()));
    }
}

#[test]
fn what_breaks_the_rules_ends_the_connection_with_a_reason_and_the_will_is_sent() {
    let options = NodeOptions::default().set("limits.mqtt_packet_bytes_max", "1024");
    let node = Node::start_with(&options);
    let mut watcher = WebSocketClient::connected(node.mqtt_ws, "watcher");
    watcher.subscribe("will/#");
    type Wrong = fn(&mut WebSocketClient);
    let wrongs: [(&str, u16, Wrong); 4] = [
        ("text", 1003, |client| client.send(Message::Text("hello".into()))),
        ("large", 1009, |client| client.send(Message::Binary(vec![0; 200_000].into()))),
        // Two bytes of binary data without a mask.
        ("unmasked", 1002, |client| client.send_raw(&[0x82, 2, 0xc0, 0])),
        ("reserved", 1002, |client| client.send_raw(&[0xf2, 0x80, 0, 0, 0, 0])),
    ];
    for (name, code, wrong) in wrongs {
        let mut client = WebSocketClient::open(node.mqtt_ws);
        client.send(Message::Binary(packets::connect_with_will(name, &format!("will/{name}"), "gone").into()));
        assert_eq!(read_packet(&mut client).unwrap().0, 0x20);
        wrong(&mut client);
        assert_eq!(close_code(&client.next()), Some(code), "{name}");
        let (first, body) = read_packet(&mut watcher).unwrap();
        assert_eq!((first, packets::published(&body)), (0x30, (format!("will/{name}"), b"gone".to_vec())));
    }
}

#[test]
fn both_sides_can_close_in_order() {
    let node = Node::start();
    // MQTT first: the node closes the WebSocket.
    let mut client = WebSocketClient::connected(node.mqtt_ws, "orderly");
    client.send(Message::Binary(DISCONNECT.to_vec().into()));
    assert_eq!(close_code(&client.next()), Some(1000));
    client.assert_ended();
    // The WebSocket first: the node answers.
    let mut client = WebSocketClient::connected(node.mqtt_ws, "orderly");
    client.send(Message::Close(None));
    assert_eq!(close_code(&client.next()), None);
    client.assert_ended();
    // The node ends: MQTT 5.0 tells the client why, then the WebSocket closes.
    let mut client = WebSocketClient::connected(node.mqtt_ws, "orderly");
    node.stop();
    let (first, body) = read_packet(&mut client).unwrap();
    assert_eq!((first, body[0]), (0xe0, 0x8b));
    assert_eq!(close_code(&client.next()), Some(1000));
}

#[test]
fn a_client_that_reads_late_gets_all_that_waited() {
    const MESSAGES: u32 = 2_000;
    let node = Node::start();
    let mut late = WebSocketClient::connected(node.mqtt_ws, "late");
    late.subscribe("large/#");
    let mut publisher = WebSocketClient::connected(node.mqtt_ws, "publisher");
    // More than the sockets between hold; acknowledged, so that all of it waits in the node before the first is read.
    for number in 0..MESSAGES {
        let payload = [&number.to_be_bytes()[..], &[7; 10_000]].concat();
        publisher.send(Message::Binary(packets::publish("large/1", Some(1), &payload).into()));
        assert_eq!(read_packet(&mut publisher).unwrap().0, 0x40);
    }
    for number in 0..MESSAGES {
        let (_, payload) = packets::published(&read_packet(&mut late).unwrap().1);
        assert_eq!((&payload[..4], payload.len()), (&number.to_be_bytes()[..], 10_004));
    }
}

#[test]
fn a_client_that_is_not_our_own_is_served() {
    let node = Node::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web_socket/echo.py");
    // Debian's own Python knows Debian's packages.
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg(node.mqtt_ws.port().to_string()).stdout(Stdio::piped());
    let mut paho = command.spawn().expect("this test needs python3: run scripts/install-test-needs.sh");
    let mut lines = BufReader::new(paho.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || lines.next().unwrap_or_else(|| "no more: run scripts/install-test-needs.sh".to_owned());
    assert_eq!(next(), "connected Success");
    assert_eq!(next(), "subscribed");
    let mut own = [next(), next(), next()];
    own.sort();
    assert_eq!(own, ["ws/0 0 xxxxx", "ws/1 1 xxxxx", "ws/2 2 100000"]);
    assert_eq!(node.send("POST", "/publish?topic=ws/api&qos=1", &[], b"end").status, 204);
    assert_eq!(next(), "ws/api 1 end");
    assert!(paho.wait().unwrap().success());
    let open = || node.api("GET", "/node").json()["broker"]["connections"].clone();
    eventually(open, |open| *open == 0);
}
