//! How people set what may wait on disk for an inbound module.

use message::limits;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Checker;
use crate::services::{Backlog, BacklogFull};

/// What may wait for a durable subscription, and what happens beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BacklogSettings {
    /// Messages that may wait, those under way among them.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    messages_max: u64,
    /// Bytes that may wait: topics and payloads, with some bytes for each message.
    #[schemars(range(min = 1, max = 1_099_511_627_776_u64))]
    bytes_max: u64,
    /// What happens to a message that finds no room: `refuse`, its publisher is told (MQTT 5: quota exceeded); `drop-oldest`,
    /// the oldest make room; `drop-newest`, it is dropped. What is dropped is counted.
    policy: BacklogFull,
    /// Deliveries of one message; after the last one it is a dead letter. 0: as many as it takes.
    #[schemars(range(min = 0, max = 1_000_000))]
    deliveries_max: u32,
    /// Messages that the flow may have under way at a time, 1 to 10,000. A module that collects messages, as `batch` does,
    /// holds back all that it has collected: let it be more than that.
    #[schemars(range(min = 1, max = 10_000))]
    in_flight_max: u32,
}

pub(super) const MOST_IN_FLIGHT: u32 = 10_000;
const MOST_MESSAGES: u64 = 1_000_000_000;
const MOST_BYTES: u64 = 1 << 40;
const MOST_DELIVERIES: u32 = 1_000_000;

impl Default for BacklogSettings {
    fn default() -> Self {
        Self {
            messages_max: limits::QUEUE_MESSAGES_MAX,
            bytes_max: limits::QUEUE_BYTES_MAX,
            policy: BacklogFull::default(),
            deliveries_max: limits::QUEUE_DELIVERIES_MAX,
            in_flight_max: in_flight_max(),
        }
    }
}

/// What a flow has under way unless it says otherwise.
pub(super) fn in_flight_max() -> u32 {
    limits::FLOW_QUEUE_MESSAGES as u32
}

impl BacklogSettings {
    pub(super) fn check(&self, path: &str, checker: &mut Checker<'_>) {
        for (name, number, least, most) in [
            ("messages_max", self.messages_max, 1, MOST_MESSAGES),
            ("bytes_max", self.bytes_max, 1, MOST_BYTES),
            ("deliveries_max", u64::from(self.deliveries_max), 0, u64::from(MOST_DELIVERIES)),
            ("in_flight_max", u64::from(self.in_flight_max), 1, u64::from(MOST_IN_FLIGHT)),
        ] {
            if !(least..=most).contains(&number) {
                checker.problem(
                    &format!("{path}.{name}"),
                    "out of range",
                    format!("write a number from {least} to {most}"),
                );
            }
        }
    }

    pub(super) fn resolve(&self) -> Backlog {
        Backlog {
            messages_max: self.messages_max.max(1),
            bytes_max: self.bytes_max.max(1),
            when_full: self.policy,
            deliveries_max: self.deliveries_max,
            in_flight_max: self.in_flight_max.clamp(1, MOST_IN_FLIGHT) as usize,
        }
    }
}
