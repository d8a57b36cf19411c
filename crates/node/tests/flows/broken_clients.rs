//! Clients that do not speak MQTT as it is written: they are disconnected, and the node says what was wrong and who it was.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::neighbour::undisturbed_while;
use crate::node::Node;
use crate::patience::eventually;

/// A CONNECT of MQTT 3.1.1 with the client identifier `broken`.
const CONNECT: &[u8] = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06broken";

#[test]
fn a_client_that_breaks_the_protocol_is_named_with_its_address_and_its_mistake() {
    let node = Node::start();
    let cases: &[(&[&[u8]], &str)] = &[
        (&[b"GET / HTTP/1.1\r\n\r\n"], "PUBACK may not have the flags"),
        (&[b"\x10\xff\xff\xff\xff\xff"], "a variable byte integer is longer than it may be"),
        (&[CONNECT, b"\x30\x05\x00\x01#xx"], "the topic holds a wildcard"),
        (&[CONNECT, b"\x30\x05\x00\x01\xffxx"], "the topic is not valid UTF-8"),
    ];
    undisturbed_while(&node, || {
        for (packets, mistake) in cases {
            let mut client = TcpStream::connect(format!("127.0.0.1:{}", node.mqtt_port())).unwrap();
            client.write_all(&packets.concat()).unwrap();
            // Until the node closes the connection; a reset is an end, too.
            let _ = client.read_to_end(&mut Vec::new());
            let from = format!("from={}", client.local_addr().unwrap());
            eventually(mistake, || {
                let log = node.log();
                let line = log.lines().find(|line| line.contains(&from))?;
                assert!(line.contains("a client broke the protocol") && line.contains(mistake), "{line}");
                assert_eq!(line.contains("broken"), packets.len() > 1, "{line}");
                Some(())
            });
        }
    });
}
