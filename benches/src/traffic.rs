//! What is sent: who publishes to which topic, what the payload is, who subscribes. A payload bears the time at which it
//! was sent as 16 digits, so that a flow can pass it on as a JSON number.

use crate::frames;

/// Added to a time in nanoseconds so that it always has 16 digits; the sum stays exact as a 64-bit float.
const STAMP_BASE: u64 = 1_000_000_000_000_000;
const STAMP_DIGITS: usize = 16;
const STAMP_KEY: &[u8] = b"\"sent_ns\":";

/// The form of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// The stamp, then filling, so many bytes in all.
    Bytes(usize),
    /// A machine's reading as JSON, hot and cold in turns.
    Reading,
}

/// How publishers and subscribers are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    /// Connections that publish, each to a topic of its own below `bench/in`.
    pub(crate) publishers: usize,
    /// Connections that subscribe to all of it.
    pub(crate) subscribers: usize,
    pub(crate) qos: u8,
    pub(crate) payload: Payload,
    /// What the subscribers listen to.
    pub(crate) filter: &'static str,
}

impl Traffic {
    pub(crate) fn topic(&self, publisher: usize) -> String {
        format!("bench/in/{publisher}")
    }

    /// One encoded PUBLISH.
    pub(crate) fn message(&self, publisher: usize, number: usize) -> Message {
        let payload = match self.payload {
            Payload::Bytes(bytes) => format!("{STAMP_BASE}{}", "x".repeat(bytes.saturating_sub(STAMP_DIGITS))),
            Payload::Reading => {
                let fahrenheit = if number.is_multiple_of(2) { 104.5 } else { 68.5 };
                format!("{{\"sent_ns\":{STAMP_BASE},\"machine\":\"press-4\",\"temperature_f\":{fahrenheit}}}")
            }
        };
        let packet = frames::publish(&self.topic(publisher), payload.as_bytes(), self.qos);
        let in_payload = match self.payload {
            Payload::Bytes(_) => 0,
            Payload::Reading => 1 + STAMP_KEY.len(),
        };
        let stamp_at = packet.len() - payload.len() + in_payload;
        Message { packet, stamp_at }
    }
}

/// An encoded PUBLISH that knows where its stamp is.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) packet: Vec<u8>,
    stamp_at: usize,
}

impl Message {
    pub(crate) fn stamp(&mut self, now_ns: u64) {
        let digits = (STAMP_BASE + now_ns).to_string();
        if let Some(place) = self.packet.get_mut(self.stamp_at..self.stamp_at + STAMP_DIGITS) {
            place.copy_from_slice(digits.as_bytes());
        }
    }
}

/// The time at which a received payload was sent.
pub(crate) fn sent_ns(payload: &[u8]) -> Option<u64> {
    let start = if payload.first()?.is_ascii_digit() {
        0
    } else {
        payload.windows(STAMP_KEY.len()).position(|window| window == STAMP_KEY)? + STAMP_KEY.len()
    };
    let digits = std::str::from_utf8(payload.get(start..start + STAMP_DIGITS)?).ok()?;
    digits.parse::<u64>().ok()?.checked_sub(STAMP_BASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_comes_back_from_either_payload() {
        for payload in [Payload::Bytes(64), Payload::Reading] {
            for qos in [0, 1] {
                let traffic = Traffic { publishers: 1, subscribers: 1, qos, payload, filter: "bench/#" };
                let mut message = traffic.message(0, 1);
                message.stamp(123_456_789);
                let (frame, _) = frames::split_first(&message.packet).expect("the packet is whole");
                assert_eq!(frame.payload().and_then(sent_ns), Some(123_456_789), "{payload:?} at QoS {qos}");
            }
        }
    }

    #[test]
    fn a_flow_may_write_the_stamp_anywhere_in_its_json() {
        assert_eq!(sent_ns(b"{\"a\":1,\"sent_ns\":1000000000000005}"), Some(5));
        assert_eq!(sent_ns(b"{\"a\":1}"), None);
        assert_eq!(sent_ns(b""), None);
    }
}
