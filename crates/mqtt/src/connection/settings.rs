//! What the node grants to every client: resolved, with a figure for each.

use std::time::Duration;

use message::limits;

/// The limits of one connection, as told to the client in CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The largest packet that is taken.
    pub packet_bytes_max: usize,
    /// QoS 1 and 2 messages that the client may have unacknowledged; at least 1.
    pub receive_max: u16,
    /// Topic aliases that the client may use.
    pub topic_alias_max: u16,
    /// QoS 1 and 2 messages that are under way to the client, if it allows more.
    pub in_flight_max: u16,
    /// Topic aliases that are used towards the client, if it allows more.
    pub outbound_topic_alias_max: u16,
    /// Levels of a topic or topic filter that are taken.
    pub topic_levels_max: usize,
    /// Bytes of a topic or topic filter that are taken.
    pub topic_bytes_max: usize,
    /// How long the client may take from connecting to being accepted.
    pub connect_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            packet_bytes_max: limits::MQTT_PACKET_BYTES_MAX,
            receive_max: limits::MQTT_RECEIVE_MAX,
            topic_alias_max: limits::MQTT_TOPIC_ALIAS_MAX,
            in_flight_max: limits::MQTT_IN_FLIGHT_MAX,
            outbound_topic_alias_max: limits::MQTT_TOPIC_ALIAS_MAX,
            topic_levels_max: limits::TOPIC_LEVELS_MAX,
            topic_bytes_max: limits::TOPIC_BYTES_MAX,
            connect_deadline: limits::MQTT_CONNECT_DEADLINE,
        }
    }
}

impl Settings {
    /// Whether a topic, or the pattern of a topic filter, is within the limits.
    pub fn takes_topic(&self, text: &str) -> bool {
        // The limits that every topic is within already need no look at its text.
        text.len() <= self.topic_bytes_max
            && (self.topic_levels_max >= limits::TOPIC_LEVELS_MAX || text.split('/').count() <= self.topic_levels_max)
    }
}
