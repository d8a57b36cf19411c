//! The codec held against the specification, and against itself.

mod any_packet;
mod malformed;
mod on_the_wire;
mod round_trip;

use bytes::BytesMut;

use super::{DecodeError, Packet, Version};

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

fn encoded(version: Version, packet: &Packet) -> BytesMut {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out, usize::MAX).unwrap();
    out
}

/// Decodes bytes that are one whole packet.
fn decoded(version: Version, bytes: &[u8]) -> Result<Packet, DecodeError> {
    let mut input = BytesMut::from(bytes);
    let packet = Packet::decode(version, &mut input, usize::MAX)?;
    assert!(input.is_empty(), "the whole packet is taken");
    Ok(packet.expect("the packet is whole"))
}
