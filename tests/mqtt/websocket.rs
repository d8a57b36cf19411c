//! MQTT over WebSocket: section 6. Every other scenario runs over WebSocket too; these are about the frames themselves
//! and pass over a TCP connection without a look.

use crate::harness::pool::scenarios;
use crate::harness::server::Over;
use crate::harness::transport::{BINARY, CONTINUATION, Outcome, TEXT, Transport, WebSocket};
use crate::harness::{AckKind, Case, Packet, Publish, subscribe};

scenarios! {
    BOTH:
        frames_of_text_end_the_connection,
        packets_are_cut_into_frames_in_any_way,
        the_subprotocol_is_mqtt;
}

fn frames_of_text_end_the_connection(case: &Case<'_>) {
    if case.over != Over::WebSocket {
        return;
    }
    for after_connect in [false, true] {
        let mut socket = case.web_socket("mqtt").expect("the server opens a WebSocket for MQTT");
        if after_connect {
            socket.send(&case.connect("texts").bytes());
        }
        socket.send_frame(TEXT, true, &[0xC0, 0x00]);
        let mut input = Vec::new();
        while socket.receive(&mut input) == Outcome::Bytes {}
        assert!(
            !input.windows(2).any(|window| window == [0xD0, 0x00]),
            "the ping in a text was answered: {input:02x?}"
        );
    }
    case.assert_alive();
}

/// Sends bytes as one message of many frames.
fn send_in_frames(socket: &mut WebSocket, bytes: &[u8], frame_bytes: usize) {
    let count = bytes.len().div_ceil(frame_bytes);
    for (number, frame) in bytes.chunks(frame_bytes).enumerate() {
        let opcode = if number == 0 { BINARY } else { CONTINUATION };
        socket.send_frame(opcode, number + 1 == count, frame);
    }
}

fn packets_are_cut_into_frames_in_any_way(case: &Case<'_>) {
    if case.over != Over::WebSocket {
        return;
    }
    let topic = case.topic("t");
    let mut bytes = case.connect("frames").bytes();
    bytes.extend(subscribe(case.version, 1, &[], &[(&topic, 0)]));
    bytes.extend(Publish::new(&topic, &"x".repeat(300)).qos(1).id(2).bytes(case.version));
    for size in [1, 2, 7, 126, bytes.len()] {
        for is_one_message in [false, true] {
            let mut socket = case.web_socket("mqtt").expect("the server opens a WebSocket for MQTT");
            if is_one_message {
                send_in_frames(&mut socket, &bytes, size);
            } else {
                bytes.chunks(size).for_each(|chunk| socket.send(chunk));
            }
            // A message without content is nothing.
            socket.send(&[]);
            let mut client = case.client_on(Box::new(socket));
            client.expect_connack();
            assert_eq!(client.await_suback(1), [0]);
            client.await_ack(AckKind::Puback, 2);
            assert!(matches!(client.next(), Packet::Publish(publish) if publish.payload.len() == 300));
            client.leave();
        }
    }
}

fn the_subprotocol_is_mqtt(case: &Case<'_>) {
    if case.over != Over::WebSocket {
        return;
    }
    for offered in ["mqtt", "other, mqtt", "mqtt,other"] {
        let socket = case.web_socket(offered).expect("the server opens a WebSocket for MQTT");
        assert_eq!(socket.subprotocol.as_deref(), Some("mqtt"));
    }
    for offered in ["other", "MQTT", ""] {
        assert!(case.web_socket(offered).is_none(), "the server opened a WebSocket for `{offered}`");
    }
}
