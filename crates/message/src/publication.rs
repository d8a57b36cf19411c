//! What the broker carries: one published message, whatever it came in by (MQTT, HTTP, a flow, the bridge).

use bytes::Bytes;
use bytestring::ByteString;

use crate::{QoS, Timestamp, TopicName};

/// One published message. It is shared by every subscriber it matches; what differs between them
/// (granted QoS, subscription identifiers, retain flag) stands beside it, never in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub topic: TopicName,
    /// Never copied between publisher and subscriber.
    pub payload: Bytes,
    /// As published; a subscriber gets the lower of this and what it was granted.
    pub qos: QoS,
    /// As published: the broker shall keep it as the topic's retained message.
    pub retain: bool,
    /// When the broker took it, for expiry and for `stream` reads by time.
    pub published_at: Timestamp,
    /// `None` for the most common case: no property at all.
    pub properties: Option<Box<PublicationProperties>>,
}

impl Publication {
    /// A publication without properties.
    pub fn new(topic: TopicName, payload: Bytes, qos: QoS, published_at: Timestamp) -> Self {
        Self { topic, payload, qos, retain: false, published_at, properties: None }
    }

    /// When the message may no longer be delivered, if the publisher set an expiry.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let expiry = self.properties.as_ref()?.message_expiry_s?;
        Some(self.published_at.saturating_add(std::time::Duration::from_secs(u64::from(expiry))))
    }

    /// Seconds of life left at `now`: `None` without an expiry, zero when it has passed.
    pub fn expiry_left_s(&self, now: Timestamp) -> Option<u32> {
        let left = self.expires_at()? - now;
        // Rounded up, so that a message with half a second left is not sent as expired.
        Some(u32::try_from(left.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX))
    }

    /// Bytes that this publication holds in memory, for limits.
    pub fn weight_bytes(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |properties| properties.weight_bytes());
        size_of::<Self>() + self.topic.as_str().len() + self.payload.len() + properties
    }
}

/// The MQTT 5.0 properties of a PUBLISH that travel end to end (section 3.3.2.3).
/// Those that belong to one hop (topic alias, subscription identifier) are not here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PublicationProperties {
    /// The publisher says that the payload is UTF-8 text.
    pub payload_is_utf8: bool,
    /// As published; counted from `published_at`.
    pub message_expiry_s: Option<u32>,
    pub content_type: Option<ByteString>,
    pub response_topic: Option<TopicName>,
    pub correlation_data: Option<Bytes>,
    /// In the order given; a name may occur more than once.
    pub user_properties: Vec<(ByteString, ByteString)>,
}

impl PublicationProperties {
    fn weight_bytes(&self) -> usize {
        let text = |text: &Option<ByteString>| text.as_ref().map_or(0, |text| text.len());
        let user: usize = self.user_properties.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
        size_of::<Self>()
            + text(&self.content_type)
            + self.response_topic.as_ref().map_or(0, |topic| topic.as_str().len())
            + self.correlation_data.as_ref().map_or(0, Bytes::len)
            + user
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn expiry_counts_from_publishing_and_ends_at_zero() {
        let start = Timestamp::from_millis(1_000_000);
        let mut publication = Publication::new(TopicName::parse("a").unwrap(), Bytes::new(), QoS::AtMostOnce, start);
        assert_eq!(publication.expiry_left_s(start), None);
        publication.properties =
            Some(Box::new(PublicationProperties { message_expiry_s: Some(10), ..PublicationProperties::default() }));
        assert_eq!(publication.expiry_left_s(start), Some(10));
        assert_eq!(publication.expiry_left_s(start.saturating_add(Duration::from_millis(9_500))), Some(1));
        assert_eq!(publication.expiry_left_s(start.saturating_add(Duration::from_secs(11))), Some(0));
    }
}
