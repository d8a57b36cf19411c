//! A stream of packets means the same however it is cut.

use bytes::BytesMut;
use mqtt::{Packet, Version};

use crate::Target;
use crate::input::Input;

pub(super) const TARGET: Target = Target {
    name: "mqtt_split",
    what: "packets that arrive in any pieces are read as if they had come at once",
    run,
    seeds: &[
        b"\x01\x03\xc0\x00\x30\x05\x00\x01aMM\xd0\x00",
        b"\x00\x01\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\x82\x06\x00\x01\x00\x01a\x02",
        b"\x01\x05\x35\x0a\x00\x01a\x00\x02\x03\x23\x00\x01M\xff\xff\xff\xff",
    ],
};

/// The largest packet that is taken, so that the limit is met too.
const PACKET_BYTES_MAX: usize = 300;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&[Version::V3_1_1, Version::V5]);
    let step = input.below(64) + 1;
    let stream = input.rest();
    assert_eq!(read(version, stream.chunks(step)), read(version, [stream].into_iter()), "in pieces of {step}");
}

/// What is read, up to the first error.
fn read<'a>(version: Version, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut read = Vec::new();
    let mut input = BytesMut::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match Packet::decode(version, &mut input, PACKET_BYTES_MAX) {
                Ok(Some(packet)) => read.push(format!("{packet:?}")),
                Ok(None) => break,
                Err(error) => {
                    read.push(error.to_string());
                    return read;
                }
            }
        }
    }
    read
}
