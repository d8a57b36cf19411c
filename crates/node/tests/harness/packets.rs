//! MQTT packets byte for byte, so that tests can write what no well-bred client would.

use std::io::Read;

/// A packet with this first byte and body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).unwrap();
        left /= 128;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// A text with its length.
pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// CONNECT of MQTT 5.0 with these flags (2: clean start), properties and whatever follows the client identifier.
pub fn connect_with(client_id: &str, flags: u8, properties: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend_from_slice(&[5, flags, 0, 60, u8::try_from(properties.len()).unwrap()]);
    body.extend_from_slice(properties);
    body.extend(text(client_id));
    body.extend_from_slice(rest);
    packet(0x10, &body)
}

/// CONNECT of MQTT 5.0 with a clean start.
pub fn connect(client_id: &str) -> Vec<u8> {
    connect_with(client_id, 2, &[], &[])
}

/// CONNECT with a will that is sent when the connection is lost.
pub fn connect_with_will(client_id: &str, topic: &str, payload: &str) -> Vec<u8> {
    let will = [vec![0], text(topic), text(payload)].concat();
    connect_with(client_id, 2 | 4, &[], &will)
}

/// PUBLISH; with a packet identifier at QoS 1.
pub fn publish(topic: &str, packet_id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if let Some(packet_id) = packet_id {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    body.push(0);
    body.extend_from_slice(payload);
    packet(if packet_id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// SUBSCRIBE to one filter, with the packet identifier 1.
pub fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1, 0];
    body.extend(text(filter));
    body.push(qos);
    packet(0x82, &body)
}

pub const DISCONNECT: &[u8] = &[0xe0, 0];
pub const PINGREQ: &[u8] = &[0xc0, 0];

/// Reads one packet: its first byte and its body. `None` at the end of the stream.
pub fn read_packet(stream: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut byte = [0];
    if stream.read(&mut byte).unwrap() == 0 {
        return None;
    }
    let first = byte[0];
    let mut length = 0;
    for place in 0..4 {
        stream.read_exact(&mut byte).unwrap();
        length |= usize::from(byte[0] & 0x7f) << (7 * place);
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some((first, body))
}

/// The topic and payload of a PUBLISH with QoS 0 and without properties.
pub fn published(body: &[u8]) -> (String, Vec<u8>) {
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    assert_eq!(body[2 + length], 0, "no properties");
    (topic, body[3 + length..].to_vec())
}
