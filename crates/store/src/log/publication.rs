//! A publication within a record:
//!
//! `flags u8 | age varint, zigzag, µs | topic length varint | topic | properties? | payload, to the end of the record`
//!
//! Flags: bits 0–1 the QoS, 2 retain, 3 properties follow. `age` is the record's timestamp less the time of publishing.
//! The properties: `flags u8`, then those that are there in the order of their bits: 0 the payload is text, 1 expiry (u32,
//! seconds), 2 content type, 3 response topic, 4 correlation data (each with its length before it), 5 user properties
//! (their count, then names and values).

use message::{ByteString, Bytes, Publication, PublicationProperties, QoS, Timestamp, TopicName, limits};

use super::bytes_in::{Decoder, put_varint, unzigzag, zigzag};

const RETAIN: u8 = 1 << 2;
const PROPERTIES: u8 = 1 << 3;

/// Appends a publication to a record that bears this timestamp. It is the last thing in the record.
pub(crate) fn encode_publication(buffer: &mut Vec<u8>, publication: &Publication, timestamp: Timestamp) {
    let topic = publication.topic.as_str().as_bytes();
    let mut flags = u8::from(publication.qos);
    if publication.retain {
        flags |= RETAIN;
    }
    if publication.properties.is_some() {
        flags |= PROPERTIES;
    }
    buffer.push(flags);
    put_varint(buffer, zigzag(timestamp.as_micros().wrapping_sub(publication.published_at.as_micros())));
    put_bytes(buffer, topic);
    if let Some(properties) = &publication.properties {
        put_properties(buffer, properties);
    }
    buffer.extend_from_slice(&publication.payload);
}

fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}

fn put_properties(buffer: &mut Vec<u8>, properties: &PublicationProperties) {
    let present = [
        properties.payload_is_utf8,
        properties.message_expiry_s.is_some(),
        properties.content_type.is_some(),
        properties.response_topic.is_some(),
        properties.correlation_data.is_some(),
        !properties.user_properties.is_empty(),
    ];
    buffer.push(present.iter().enumerate().map(|(bit, is)| u8::from(*is) << bit).sum());
    if let Some(seconds) = properties.message_expiry_s {
        buffer.extend_from_slice(&seconds.to_le_bytes());
    }
    if let Some(text) = &properties.content_type {
        put_bytes(buffer, text.as_bytes());
    }
    if let Some(topic) = &properties.response_topic {
        put_bytes(buffer, topic.as_bytes());
    }
    if let Some(data) = &properties.correlation_data {
        put_bytes(buffer, data);
    }
    if !properties.user_properties.is_empty() {
        put_varint(buffer, properties.user_properties.len() as u64);
        for (name, value) in &properties.user_properties {
            put_bytes(buffer, name.as_bytes());
            put_bytes(buffer, value.as_bytes());
        }
    }
}

/// The publication that begins at `at` of a record and goes to its end, sharing the record's bytes.
pub(crate) fn decode_publication(record: &Bytes, at: usize, timestamp_us: i64) -> Option<Publication> {
    let mut decoder = Decoder::new(record, at);
    let flags = decoder.byte()?;
    let age = unzigzag(decoder.varint()?);
    let topic = TopicName::from_bytes(shared(record, &mut decoder)?).ok()?;
    let properties = if flags & PROPERTIES == 0 { None } else { Some(Box::new(properties(record, &mut decoder)?)) };
    Some(Publication {
        topic,
        payload: record.slice(decoder.at()..),
        qos: QoS::try_from(flags & 3).ok()?,
        retain: flags & RETAIN != 0,
        published_at: Timestamp::from_micros(timestamp_us.wrapping_sub(age)),
        properties,
    })
}

fn shared(record: &Bytes, decoder: &mut Decoder<'_>) -> Option<Bytes> {
    let length = decoder.count()?;
    decoder.skip(length).map(|range| record.slice(range))
}

fn text(record: &Bytes, decoder: &mut Decoder<'_>) -> Option<ByteString> {
    ByteString::try_from(shared(record, decoder)?).ok()
}

fn properties(record: &Bytes, decoder: &mut Decoder<'_>) -> Option<PublicationProperties> {
    let flags = decoder.byte()?;
    let has = |bit: u8| flags & (1 << bit) != 0;
    let mut properties = PublicationProperties { payload_is_utf8: has(0), ..PublicationProperties::default() };
    if has(1) {
        properties.message_expiry_s = Some(decoder.number_u32()?);
    }
    if has(2) {
        properties.content_type = Some(text(record, decoder)?);
    }
    if has(3) {
        properties.response_topic = Some(TopicName::from_bytes(shared(record, decoder)?).ok()?);
    }
    if has(4) {
        properties.correlation_data = Some(shared(record, decoder)?);
    }
    if has(5) {
        let count = decoder.count()?;
        let mut user = Vec::with_capacity(count.min(limits::MQTT_USER_PROPERTIES_MAX));
        for _ in 0..count {
            user.push((text(record, decoder)?, text(record, decoder)?));
        }
        properties.user_properties = user;
    }
    Some(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = ByteString> {
        "[a-zä€]{0,200}".prop_map(ByteString::from)
    }

    fn topics() -> impl Strategy<Value = TopicName> {
        "[a-z/]{1,40}".prop_map(|text| TopicName::parse(&text).unwrap())
    }

    fn some_properties() -> impl Strategy<Value = PublicationProperties> {
        let data = prop::option::of(prop::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from));
        let user = prop::collection::vec((texts(), texts()), 0..4);
        (any::<bool>(), any::<Option<u32>>(), prop::option::of(texts()), prop::option::of(topics()), data, user)
            .prop_map(
                |(
                    payload_is_utf8,
                    message_expiry_s,
                    content_type,
                    response_topic,
                    correlation_data,
                    user_properties,
                )| {
                    PublicationProperties {
                        payload_is_utf8,
                        message_expiry_s,
                        content_type,
                        response_topic,
                        correlation_data,
                        user_properties,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_publication_is_read_as_written(
            topic in topics(),
            payload in prop::collection::vec(any::<u8>(), 0..300),
            (qos, retain) in (0u8..3, any::<bool>()),
            (published, now) in (any::<i32>(), any::<i32>()),
            properties in prop::option::of(some_properties()),
        ) {
            let published_at = Timestamp::from_micros(i64::from(published) * 1_000_000);
            let now = Timestamp::from_micros(i64::from(now));
            let qos = QoS::try_from(qos).unwrap();
            let publication =
                Publication { topic, payload: payload.into(), qos, retain, published_at, properties: properties.map(Box::new) };
            let mut buffer = vec![1, 2, 3];
            encode_publication(&mut buffer, &publication, now);
            let record = Bytes::from(buffer);
            prop_assert_eq!(decode_publication(&record, 3, now.as_micros()), Some(publication));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..210) {
            let _ = decode_publication(&Bytes::from(bytes), at, 0);
        }
    }
}
