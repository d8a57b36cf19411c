//! A [`Publication`] as fields of a record: everything but its topic, which is the record's key or stands before it.
//!
//! ```text
//! flags            1 byte: bits 0 and 1 quality of service, 2 retain, 3 payload is UTF-8,
//!                  4 to 7 say which of the next four fields are there
//! published        8 bytes little endian, microseconds since the epoch
//! expiry           LEB128, seconds from then on
//! content type     text
//! response topic   text
//! correlation      bytes
//! user properties  count (LEB128), then each name and value as texts
//! payload          bytes
//! ```

use message::{ByteString, Bytes, Publication, PublicationProperties, QoS, Timestamp, TopicName, limits};

use super::record::{RecordError, RecordReader, RecordWriter};

const QOS: u8 = 0b11;
const RETAIN: u8 = 1 << 2;
const UTF8: u8 = 1 << 3;
const EXPIRY: u8 = 1 << 4;
const CONTENT_TYPE: u8 = 1 << 5;
const RESPONSE_TOPIC: u8 = 1 << 6;
const CORRELATION: u8 = 1 << 7;

/// Writes all but the topic.
pub(super) fn write_publication(writer: &mut RecordWriter, publication: &Publication) {
    let none = PublicationProperties::default();
    let properties = publication.properties.as_deref().unwrap_or(&none);
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    let flags = u8::from(publication.qos)
        | flag(publication.retain, RETAIN)
        | flag(properties.payload_is_utf8, UTF8)
        | flag(properties.message_expiry_s.is_some(), EXPIRY)
        | flag(properties.content_type.is_some(), CONTENT_TYPE)
        | flag(properties.response_topic.is_some(), RESPONSE_TOPIC)
        | flag(properties.correlation_data.is_some(), CORRELATION);
    writer.u8(flags);
    writer.i64(publication.published_at.as_micros());
    if let Some(expiry_s) = properties.message_expiry_s {
        writer.varint(u64::from(expiry_s));
    }
    if let Some(content_type) = &properties.content_type {
        writer.text(content_type);
    }
    if let Some(topic) = &properties.response_topic {
        writer.text(topic.as_str());
    }
    if let Some(correlation) = &properties.correlation_data {
        writer.bytes(correlation);
    }
    writer.varint(properties.user_properties.len() as u64);
    for (name, value) in &properties.user_properties {
        writer.text(name);
        writer.text(value);
    }
    writer.bytes(&publication.payload);
}

/// Reads what [`write_publication`] wrote. The result shares nothing with the record.
pub(super) fn read_publication(reader: &mut RecordReader<'_>, topic: TopicName) -> Result<Publication, RecordError> {
    let flags = reader.u8()?;
    let published_at = Timestamp::from_micros(reader.i64()?);
    let has = |flag: u8| flags & flag != 0;
    let mut properties = PublicationProperties { payload_is_utf8: has(UTF8), ..PublicationProperties::default() };
    if has(EXPIRY) {
        let expiry_s = u32::try_from(reader.varint()?);
        properties.message_expiry_s = Some(expiry_s.map_err(|_| RecordError::Content("an expiry beyond 32 bits"))?);
    }
    if has(CONTENT_TYPE) {
        properties.content_type = Some(ByteString::from(reader.text()?));
    }
    if has(RESPONSE_TOPIC) {
        properties.response_topic = Some(read_topic(reader)?);
    }
    if has(CORRELATION) {
        properties.correlation_data = Some(Bytes::copy_from_slice(reader.bytes()?));
    }
    let count = usize::try_from(reader.varint()?).map_err(|_| RecordError::Short)?;
    // A damaged count never reserves more than a packet may hold.
    properties.user_properties.reserve(count.min(limits::MQTT_USER_PROPERTIES_MAX));
    for _ in 0..count {
        let name = ByteString::from(reader.text()?);
        properties.user_properties.push((name, ByteString::from(reader.text()?)));
    }
    let payload = Bytes::copy_from_slice(reader.bytes()?);
    let qos = QoS::try_from(flags & QOS).map_err(|_| RecordError::Content("a quality of service that is none"))?;
    let properties = (properties != PublicationProperties::default()).then(|| Box::new(properties));
    Ok(Publication { topic, payload, qos, retain: has(RETAIN), published_at, properties })
}

/// Reads a field that is a topic.
pub(super) fn read_topic(reader: &mut RecordReader<'_>) -> Result<TopicName, RecordError> {
    TopicName::parse(reader.text()?).map_err(|_| RecordError::Content("a topic that is none"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_text() -> impl Strategy<Value = ByteString> {
        any::<String>().prop_map(ByteString::from)
    }

    fn any_topic() -> impl Strategy<Value = TopicName> {
        "[a-zü$/]{1,20}".prop_map(|text| TopicName::parse(&text).unwrap())
    }

    fn any_properties() -> impl Strategy<Value = PublicationProperties> {
        (
            any::<bool>(),
            any::<Option<u32>>(),
            prop::option::of(any_text()),
            prop::option::of(any_topic()),
            prop::option::of(any::<Vec<u8>>().prop_map(Bytes::from)),
            prop::collection::vec((any_text(), any_text()), 0..4),
        )
            .prop_map(|(utf8, expiry, content_type, response_topic, correlation_data, user_properties)| {
                PublicationProperties {
                    payload_is_utf8: utf8,
                    message_expiry_s: expiry,
                    content_type,
                    response_topic,
                    correlation_data,
                    user_properties,
                }
            })
    }

    /// Any publication; one whose properties say nothing has none.
    pub(in super::super) fn any_publication() -> impl Strategy<Value = Publication> {
        (any_topic(), any::<Vec<u8>>(), 0_u8..3, any::<bool>(), any::<i64>(), prop::option::of(any_properties()))
            .prop_map(|(topic, payload, qos, retain, published, properties)| Publication {
                topic,
                payload: payload.into(),
                qos: QoS::try_from(qos).unwrap(),
                retain,
                published_at: Timestamp::from_micros(published),
                properties: properties.filter(|some| *some != PublicationProperties::default()).map(Box::new),
            })
    }

    proptest! {
        #[test]
        fn a_publication_is_read_as_it_was_written(publication in any_publication()) {
            let mut writer = RecordWriter::new();
            write_publication(&mut writer, &publication);
            let record = writer.finish(b"k");
            let mut reader = RecordReader::open(b"k", &record).unwrap();
            prop_assert_eq!(read_publication(&mut reader, publication.topic.clone()), Ok(publication));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn whatever_the_bytes_are_reading_ends_with_a_publication_or_an_error(bytes: Vec<u8>) {
            let mut writer = RecordWriter::new();
            bytes.iter().for_each(|byte| writer.u8(*byte));
            let record = writer.finish(b"k");
            let mut reader = RecordReader::open(b"k", &record).unwrap();
            if let Ok(publication) = read_publication(&mut reader, TopicName::parse("a").unwrap()) {
                let mut again = RecordWriter::new();
                write_publication(&mut again, &publication);
                let again = again.finish(b"k");
                let read = read_publication(&mut RecordReader::open(b"k", &again).unwrap(), publication.topic.clone());
                prop_assert_eq!(read, Ok(publication));
            }
        }
    }
}
