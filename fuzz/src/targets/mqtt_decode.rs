//! Any bytes, in both versions: a packet or an error, never a panic; and what was read is written so that it reads the
//! same.

use bytes::BytesMut;
use mqtt::{Packet, Version};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "mqtt_decode",
    what: "packets of both versions are read or refused, and written as they were read",
    run,
    seeds: super::PACKETS,
};

fn run(data: &[u8]) {
    for version in [Version::V3_1_1, Version::V5] {
        let mut input = BytesMut::from(data);
        while let Ok(Some(packet)) = Packet::decode(version, &mut input, usize::MAX) {
            let version = if let Packet::Connect(connect) = &packet { connect.version } else { version };
            let mut written = BytesMut::new();
            let result = packet.encode(version, &mut written, usize::MAX);
            assert!(result.is_ok(), "{packet:?} was read and cannot be written");
            let again = Packet::decode(version, &mut written, usize::MAX);
            assert_eq!(again.as_ref(), Ok(&Some(packet)), "what is written reads as something else");
            assert!(written.is_empty(), "more is written than one packet");
        }
    }
}
