//! A client that does anything: the machine never panics, always answers, and ends at most once.

use message::{ClientId, Publication, QoS, TopicName};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::VERSIONS;
use super::pair::{Pair, connect};
use crate::connection::{Accept, Delivery, Event, Settings};
use crate::packet::{Packet, ReasonCode, Version};

/// Short packets with small identifiers, so that they meet each other; most are valid.
fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let ack = |first: u8| (1u8..4).prop_map(move |id| vec![first, 2, 0, id]);
    prop_oneof![
        4 => (0u8..3, 1u8..4).prop_map(|(qos, id)| match qos {
            0 => b"\x30\x03\x00\x01a".to_vec(),
            qos => vec![0x30 | qos << 1, 5, 0, 1, b'a', 0, id],
        }),
        4 => (0u8..3, 1u8..4).prop_map(|(qos, id)| match qos {
            0 => b"\x30\x04\x00\x01a\x00".to_vec(),
            qos => vec![0x30 | qos << 1, 6, 0, 1, b'a', 0, id, 0],
        }),
        2 => ack(0x40),
        2 => ack(0x50),
        2 => ack(0x62),
        2 => ack(0x70),
        1 => Just(b"\x82\x06\x00\x01\x00\x01a\x00".to_vec()),
        1 => Just(b"\x82\x07\x00\x01\x00\x00\x01a\x00".to_vec()),
        1 => Just(b"\xc0\x00".to_vec()),
        1 => Just(b"\xe0\x00".to_vec()),
        1 => vec(any::<u8>(), 0..12),
    ]
}

fn answer(pair: &mut Pair, event: Event, reason: ReasonCode) -> bool {
    match event {
        Event::Connect(_) => {
            let accept = Accept::new_session(ClientId::parse("a").unwrap());
            pair.connection.handle_accepted(pair.now, accept);
        }
        Event::Publish { ticket: Some(ticket), .. } => pair.connection.handle_published(ticket, reason),
        Event::Subscribe(request) => pair.connection.handle_subscribed(request.ticket, &[reason]),
        Event::Unsubscribe(request) => pair.connection.handle_unsubscribed(request.ticket, &[reason]),
        Event::Closed(_) => return true,
        Event::Received { slot } => pair.connection.handle_release(slot),
        Event::Released { packet_id } => pair.connection.handle_released(packet_id),
        Event::Publish { ticket: None, .. } | Event::Delivered { .. } => {}
    }
    false
}

fn start(version: Version, settings: Settings) -> Pair {
    let mut pair = Pair::new(settings);
    pair.version = version;
    pair.send(&Packet::Connect(Box::new(connect(version))));
    pair
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_input_ends_the_connection_at_most_once(
        version in select(VERSIONS.to_vec()),
        packets in vec(any_packet(), 0..30),
        reason in select(vec![ReasonCode::Success, ReasonCode::NotAuthorized]),
        delivered in any::<bool>(),
    ) {
        let mut pair = start(version, Settings { receive_max: 4, ..Settings::default() });
        let publication = Publication::new(TopicName::parse("a").unwrap(), "x".into(), QoS::ExactlyOnce, pair.now.wall);
        let mut ends = 0;
        for (number, packet) in packets.into_iter().enumerate() {
            pair.send_bytes(&packet);
            while let Some(event) = pair.event() {
                ends += usize::from(answer(&mut pair, event, reason));
            }
            let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            let slot = std::num::NonZeroU16::new(number as u16 % 3 + 1);
            if delivered {
                let delivery = Delivery {
                    publication: &publication, qos, retain: false, dup: false, slot, subscription_ids: &[]
                };
                let _ = pair.connection.handle_delivery(pair.now, &delivery);
            }
            // Panics unless all that is sent can be read.
            pair.received();
        }
        prop_assert_eq!(ends, usize::from(pair.connection.is_closed()));
    }

    #[test]
    fn a_stream_makes_the_same_events_however_it_is_cut(
        version in select(VERSIONS.to_vec()),
        packets in vec(any_packet(), 1..20),
        step in 1usize..20,
    ) {
        let stream: Vec<u8> = packets.concat();
        let run = |step: usize| {
            let mut pair = start(version, Settings::default());
            let mut story = Vec::new();
            for chunk in stream.chunks(step) {
                pair.send_bytes(chunk);
                let mut more = true;
                while more {
                    more = pair.read();
                    while let Some(event) = pair.event() {
                        story.push(format!("{event:?}"));
                        answer(&mut pair, event, ReasonCode::Success);
                    }
                }
            }
            story
        };
        prop_assert_eq!(run(step), run(1));
    }
}
