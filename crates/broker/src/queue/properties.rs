//! What a publisher asks of a queue, and what a dead letter says of itself: user properties of the message.

use std::time::Duration;

use message::{ByteString, Publication, PublicationProperties, QueueName, limits, parse_span};

use super::output::DeathReason;

/// 0 to 9; more is more urgent.
pub const PRIORITY: &str = "priority";
/// How long to wait after publishing: seconds, or a span as in `1h30m`.
pub const DELAY: &str = "delay";
/// The queue in which a dead letter died.
pub const DEAD_LETTER_QUEUE: &str = "dead-letter-queue";
/// Why it died, a word of [`DeathReason`].
pub const DEAD_LETTER_REASON: &str = "dead-letter-reason";
/// How often it had been delivered.
pub const DEAD_LETTER_DELIVERIES: &str = "dead-letter-deliveries";

const OF_DEAD_LETTERS: [&str; 3] = [DEAD_LETTER_QUEUE, DEAD_LETTER_REASON, DEAD_LETTER_DELIVERIES];

/// The first user property of that name.
pub fn user_property<'a>(publication: &'a Publication, name: &str) -> Option<&'a str> {
    let properties = publication.properties.as_ref()?;
    properties.user_properties.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
}

/// The priority of a message; what is no number from 0 to 9 counts as none, which is 0.
pub(super) fn priority(publication: &Publication) -> u8 {
    let asked = user_property(publication, PRIORITY).and_then(|text| text.trim().parse().ok());
    asked.filter(|priority| *priority <= limits::QUEUE_PRIORITY_MAX).unwrap_or(0)
}

/// How long after publishing a message may be delivered; what cannot be read counts as no delay.
pub(super) fn delay(publication: &Publication) -> Duration {
    let asked = user_property(publication, DELAY).and_then(|text| match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => parse_span(text).ok(),
    });
    asked.unwrap_or_default().min(limits::SETTING_SPAN_MAX)
}

/// Whether a message is handed out in the order of arrival, as far as its publisher has a say in it.
pub(super) fn is_in_turn(publication: &Publication) -> bool {
    delay(publication).is_zero()
}

/// The message as it goes to the dead letters: it says where it died, why, and after how many deliveries. Its delay and
/// its expiry are over and stay behind.
pub fn dead_letter(publication: &Publication, queue: &QueueName, reason: DeathReason, deliveries: u32) -> Publication {
    let mut letter = alive_again(publication);
    let properties = letter.properties.get_or_insert_default();
    properties.message_expiry_s = None;
    properties.user_properties.retain(|(key, _)| &**key != DELAY);
    for (key, value) in [
        (DEAD_LETTER_QUEUE, queue.as_str().to_owned()),
        (DEAD_LETTER_REASON, reason.as_str().to_owned()),
        (DEAD_LETTER_DELIVERIES, deliveries.to_string()),
    ] {
        properties.user_properties.push((ByteString::from_static(key), ByteString::from(value)));
    }
    letter
}

/// A dead letter as it was before it died.
pub fn alive_again(letter: &Publication) -> Publication {
    let mut publication = letter.clone();
    if let Some(properties) = &mut publication.properties {
        properties.user_properties.retain(|(key, _)| !OF_DEAD_LETTERS.contains(&&**key));
        if **properties == PublicationProperties::default() {
            publication.properties = None;
        }
    }
    publication
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Bytes, QoS, Timestamp, TopicName};

    fn message(user_properties: &[(&'static str, &'static str)]) -> Publication {
        let topic = TopicName::parse("orders").unwrap();
        let pairs = user_properties.iter().map(|(key, value)| (ByteString::from(*key), ByteString::from(*value)));
        Publication {
            properties: Some(Box::new(PublicationProperties {
                message_expiry_s: Some(60),
                user_properties: pairs.collect(),
                ..PublicationProperties::default()
            })),
            ..Publication::new(topic, Bytes::from_static(b"1"), QoS::AtLeastOnce, Timestamp::default())
        }
    }

    #[test]
    fn a_priority_is_a_number_from_0_to_9() {
        for (text, expect) in [("0", 0), ("9", 9), (" 5 ", 5), ("10", 0), ("-1", 0), ("high", 0), ("", 0)] {
            assert_eq!(priority(&message(&[(PRIORITY, text)])), expect, "{text}");
        }
        assert_eq!(priority(&message(&[])), 0);
    }

    #[test]
    fn a_delay_is_seconds_or_a_span() {
        for (text, millis) in [("30", 30_000), ("250ms", 250), ("1m 30s", 90_000), ("soon", 0), ("-1", 0), ("", 0)] {
            assert_eq!(delay(&message(&[(DELAY, text)])), Duration::from_millis(millis), "{text}");
        }
        assert_eq!(delay(&message(&[(DELAY, "18446744073709551615")])), limits::SETTING_SPAN_MAX);
    }

    #[test]
    fn a_dead_letter_says_how_it_died_and_can_live_again() {
        let queue = QueueName::parse("orders").unwrap();
        let letter = dead_letter(&message(&[("a", "b"), (DELAY, "5")]), &queue, DeathReason::Rejected, 3);
        for (key, expect) in [
            (DEAD_LETTER_QUEUE, Some("orders")),
            (DEAD_LETTER_REASON, Some("rejected")),
            (DEAD_LETTER_DELIVERIES, Some("3")),
            (DELAY, None),
            ("a", Some("b")),
        ] {
            assert_eq!(user_property(&letter, key), expect, "{key}");
        }
        assert_eq!(letter.expires_at(), None);
        let again = dead_letter(&letter, &queue, DeathReason::Deliveries, 16);
        assert_eq!(user_property(&again, DEAD_LETTER_REASON), Some("deliveries"));
        let lives = alive_again(&again);
        assert_eq!(lives.properties.unwrap().user_properties, [("a".into(), "b".into())]);
    }
}
