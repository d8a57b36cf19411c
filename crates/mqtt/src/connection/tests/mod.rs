//! The machine against a client that is made of the codec alone, under a clock that the test turns.

mod closing;
mod deliveries;
mod handshake;
mod limits;
mod pair;
mod publishes;
mod random_input;
mod subscriptions;

use std::num::NonZeroU16;

use bytes::Bytes;
use message::{QoS, TopicName};

use crate::packet::{Packet, Publish, Version};
use pair::Pair;

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// A PUBLISH from the client; `packet_id` is 0 for QoS 0.
fn publish(topic: &str, qos: QoS, packet_id: u16) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: (!topic.is_empty()).then(|| TopicName::parse(topic).unwrap()),
        packet_id: NonZeroU16::new(packet_id),
        topic_alias: None,
        subscription_ids: Vec::new(),
        properties: None,
        payload: Bytes::from_static(b"payload"),
    }
}

fn send_publish(pair: &mut Pair, topic: &str, qos: QoS, packet_id: u16) {
    pair.send(&Packet::Publish(publish(topic, qos, packet_id)));
}
