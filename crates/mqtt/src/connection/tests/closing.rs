//! The ends of a connection, and what becomes of the will.

use std::time::Duration;

use bytestring::ByteString;
use message::QoS;

use super::pair::{Pair, connect, disconnect};
use super::{VERSIONS, send_publish};
use crate::connection::{CloseCause, Settings};
use crate::packet::{Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, ReasonCode, Version};

#[test]
fn a_client_that_leaves_takes_its_will_along() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        pair.send(&disconnect(ReasonCode::Success));
        let closed = pair.closed();
        assert_eq!(closed.cause, CloseCause::ByClient(ReasonCode::Success));
        assert!(!closed.will_wanted);
        assert_eq!(pair.received(), []);
    }
}

#[test]
fn a_client_may_leave_its_will() {
    let mut pair = Pair::open(Version::V5);
    pair.send(&disconnect(ReasonCode::DisconnectWithWill));
    assert!(pair.closed().will_wanted);
}

#[test]
fn a_lost_transport_leaves_the_will() {
    let mut pair = Pair::open(Version::V5);
    pair.connection.handle_transport_lost();
    let closed = pair.closed();
    assert_eq!(closed.cause, CloseCause::TransportLost);
    assert!(closed.will_wanted);
    assert_eq!(pair.received(), []);
}

#[test]
fn what_came_before_the_end_is_still_handed_on() {
    let mut pair = Pair::open(Version::V5);
    send_publish(&mut pair, "a", QoS::AtMostOnce, 0);
    pair.send(&disconnect(ReasonCode::Success));
    assert_eq!(pair.published().0, "a");
    pair.closed();
}

#[test]
fn what_comes_after_the_end_is_not_read() {
    let mut pair = Pair::open(Version::V5);
    disconnect(ReasonCode::Success).encode(Version::V5, &mut pair.input, 100).unwrap();
    Packet::Pingreq.encode(Version::V5, &mut pair.input, 100).unwrap();
    assert!(!pair.read());
    pair.closed();
    assert_eq!(pair.received(), []);
    assert!(!pair.connection.wants_bytes());
}

#[test]
fn a_leaving_client_may_change_how_long_its_session_lives() {
    for (at_connect, at_disconnect, accepted) in
        [(Some(10), Some(20), true), (Some(10), Some(0), true), (None, Some(0), true), (None, Some(20), false)]
    {
        let properties = ConnectProperties { session_expiry_s: at_connect, ..ConnectProperties::default() };
        let mut pair = Pair::open_with(Settings::default(), Connect { properties, ..connect(Version::V5) });
        let properties = DisconnectProperties { session_expiry_s: at_disconnect, ..DisconnectProperties::default() };
        pair.send(&Packet::Disconnect(Box::new(Disconnect { reason: ReasonCode::Success, properties })));
        if accepted {
            assert_eq!(pair.closed().session_expiry_s, at_disconnect);
        } else {
            pair.assert_ended(ReasonCode::ProtocolError);
        }
    }
}

#[test]
fn the_node_says_why_it_ends_a_connection() {
    for reason in [ReasonCode::SessionTakenOver, ReasonCode::ServerShuttingDown, ReasonCode::AdministrativeAction] {
        let mut pair = Pair::open(Version::V5);
        pair.connection.handle_close(reason);
        assert_eq!(pair.disconnect_reason(), reason);
        let closed = pair.closed();
        assert_eq!(closed.cause, CloseCause::ByServer(reason));
        assert!(closed.will_wanted);

        let mut pair = Pair::open(Version::V3_1_1);
        pair.connection.handle_close(reason);
        assert_eq!(pair.received(), []);
        assert!(pair.closed().will_wanted);
    }
}

#[test]
fn a_silent_client_is_taken_for_lost() {
    for version in VERSIONS {
        let mut pair = Pair::open(version);
        pair.advance(Duration::from_secs(80));
        pair.send(&Packet::Pingreq);
        assert_eq!(pair.received(), [Packet::Pingresp]);
        pair.advance(Duration::from_millis(89_999));
        assert!(pair.connection.is_open());
        pair.advance(Duration::from_millis(1));
        match version {
            Version::V5 => assert_eq!(pair.disconnect_reason(), ReasonCode::KeepAliveTimeout),
            Version::V3_1_1 => assert_eq!(pair.received(), []),
        }
        let closed = pair.closed();
        assert_eq!(closed.cause, CloseCause::KeepAliveTimeout);
        assert!(closed.will_wanted);
    }
}

#[test]
fn without_keep_alive_a_client_may_be_silent() {
    let mut pair = Pair::open_with(Settings::default(), Connect { keep_alive_s: 0, ..connect(Version::V5) });
    assert_eq!(pair.connection.poll_timeout(), None);
    pair.advance(Duration::from_secs(1_000_000));
    assert!(pair.connection.is_open());
}

#[test]
fn a_packet_that_only_servers_send_is_refused() {
    for bytes in [&b"\x20\x03\x00\x00\x00"[..], b"\x90\x04\x00\x01\x00\x00", b"\xb0\x04\x00\x01\x00\x00", b"\xd0\x00"] {
        let mut pair = Pair::open(Version::V5);
        pair.send_bytes(bytes);
        pair.assert_ended(ReasonCode::ProtocolError);
    }
}

#[test]
fn the_end_is_explained_within_the_size_that_the_client_takes() {
    let explained = |packet_bytes_max| {
        let properties =
            ConnectProperties { packet_bytes_max: std::num::NonZeroU32::new(packet_bytes_max), ..Default::default() };
        let mut pair = Pair::new(Settings::default());
        pair.send(&Packet::Connect(Box::new(Connect { properties, ..connect(Version::V5) })));
        pair.accept();
        pair.connection.transmit().clear();
        pair.send_bytes(b"\x00\x00");
        match pair.received().pop() {
            Some(Packet::Disconnect(disconnect)) => {
                assert_eq!(disconnect.reason, ReasonCode::MalformedPacket);
                disconnect.properties.reason_string
            }
            other => panic!("the client is told the end, not {other:?}"),
        }
    };
    assert_eq!(explained(200), Some(ByteString::from_static("packet type 0 is reserved")));
    assert_eq!(explained(20), None);
}

#[test]
fn every_call_is_allowed_after_the_end() {
    let mut pair = Pair::open(Version::V5);
    send_publish(&mut pair, "a", QoS::AtLeastOnce, 1);
    let ticket = pair.published().1.unwrap();
    pair.connection.handle_transport_lost();
    pair.closed();
    pair.connection.handle_published(ticket, ReasonCode::Success);
    pair.connection.handle_release(super::id(1));
    pair.connection.handle_close(ReasonCode::ServerShuttingDown);
    pair.connection.handle_refused(ReasonCode::ServerBusy);
    pair.connection.handle_transport_lost();
    pair.advance(Duration::from_secs(1000));
    assert!(pair.event().is_none());
    assert_eq!(pair.received(), []);
}
