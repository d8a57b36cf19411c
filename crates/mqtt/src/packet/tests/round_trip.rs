//! What is written is read again, however it is cut; what is not MQTT is refused without a panic.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::any_packet::any_packet;
use super::{VERSIONS, decoded, encoded};
use crate::packet::{Packet, PacketTooLarge, Version};

fn any_version() -> impl Strategy<Value = Version> {
    select(VERSIONS.to_vec())
}

fn any_versioned_packet() -> impl Strategy<Value = (Version, Packet)> {
    any_version().prop_flat_map(|version| (Just(version), any_packet(version)))
}

fn decode_all(version: Version, input: &mut BytesMut) -> Vec<Packet> {
    std::iter::from_fn(|| Packet::decode(version, input, usize::MAX).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_packet_comes_back((version, packet) in any_versioned_packet()) {
        let bytes = encoded(version, &packet);
        prop_assert_eq!(decoded(version, &bytes), Ok(packet));
    }

    #[test]
    fn a_packet_is_written_within_the_limit_or_not_at_all((version, packet) in any_versioned_packet()) {
        let bytes = encoded(version, &packet).len();
        let mut out = BytesMut::from("before");
        prop_assert_eq!(packet.encode(version, &mut out, bytes - 1), Err(PacketTooLarge { bytes_max: bytes - 1 }));
        prop_assert_eq!(&out[..], b"before");
        prop_assert_eq!(packet.encode(version, &mut out, bytes), Ok(()));
        prop_assert_eq!(out.len(), 6 + bytes);
    }

    #[test]
    fn a_packet_without_explanation_is_still_a_packet((version, mut packet) in any_versioned_packet()) {
        let whole = encoded(version, &packet).len();
        packet.drop_explanation();
        let bytes = encoded(version, &packet);
        prop_assert!(bytes.len() <= whole);
        prop_assert_eq!(decoded(version, &bytes), Ok(packet));
    }

    #[test]
    fn a_changed_byte_never_panics(
        (version, packet) in any_versioned_packet(),
        place in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encoded(version, &packet);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(Some(packet)) = Packet::decode(version, &mut bytes, usize::MAX) {
            // What is read can be written, and is then read as the same.
            let version = if let Packet::Connect(connect) = &packet { connect.version } else { version };
            prop_assert_eq!(decoded(version, &encoded(version, &packet)), Ok(packet));
        }
    }

    #[test]
    fn random_bytes_never_panic(version in any_version(), bytes in vec(any::<u8>(), 0..60)) {
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = Packet::decode(version, &mut input, 100) {}
    }
}

proptest! {
    #[test]
    fn a_stream_is_read_the_same_however_it_is_cut(
        (version, packets) in any_version().prop_flat_map(|version| (Just(version), vec(any_packet(version), 1..8))),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut stream = BytesMut::new();
        for packet in &packets {
            packet.encode(version, &mut stream, usize::MAX).unwrap();
        }
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let mut input = BytesMut::new();
        let mut read = Vec::new();
        for pair in cuts.windows(2) {
            input.extend_from_slice(&stream[pair[0]..pair[1]]);
            read.extend(decode_all(version, &mut input));
        }
        prop_assert_eq!(read, packets);
        prop_assert!(input.is_empty());
    }

    #[test]
    fn every_prefix_waits_for_the_rest((version, packet) in any_versioned_packet()) {
        let bytes = encoded(version, &packet);
        for end in 0..bytes.len() {
            let mut input = BytesMut::from(&bytes[..end]);
            prop_assert_eq!(Packet::decode(version, &mut input, usize::MAX), Ok(None));
            prop_assert_eq!(input.len(), end);
        }
    }
}
