//! The properties that travel with a message from its publisher to its subscribers: the same in PUBLISH
//! (section 3.3.2.3) and in the will of a CONNECT (section 3.1.3.2).

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;
use message::{PublicationProperties, TopicName};

use super::DecodeError;
use super::properties::{
    PropertyId, PropertyValue, property_bytes, push_user, put_property, put_user, set_once, user_bytes,
};
use super::text::{Body, binary_bytes, put_binary};

/// Gathers properties while they are read; the box is made only when there is one.
#[derive(Debug, Default)]
pub(crate) struct EndToEnd {
    properties: Option<Box<PublicationProperties>>,
    payload_format_is_set: bool,
}

impl EndToEnd {
    /// Reads one property; `false` when it is none of those that travel with a message.
    pub(crate) fn read(&mut self, id: PropertyId, block: &mut Body) -> Result<bool, DecodeError> {
        let properties = self.properties.get_or_insert_default();
        match id {
            PropertyId::PayloadFormatIndicator => {
                properties.payload_is_utf8 = bool::decode(id, block)?;
                if std::mem::replace(&mut self.payload_format_is_set, true) {
                    return Err(DecodeError::PropertyTwice { property: id });
                }
            }
            PropertyId::MessageExpiryInterval => set_once(&mut properties.message_expiry_s, id, block)?,
            PropertyId::ContentType => set_once(&mut properties.content_type, id, block)?,
            PropertyId::ResponseTopic => {
                let topic = TopicName::from_bytes(block.binary("response topic")?)?;
                if properties.response_topic.replace(topic).is_some() {
                    return Err(DecodeError::PropertyTwice { property: id });
                }
            }
            PropertyId::CorrelationData => set_once(&mut properties.correlation_data, id, block)?,
            PropertyId::UserProperty => push_user(&mut properties.user_properties, block)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What was read; `None` when it was nothing.
    pub(crate) fn finish(self) -> Option<Box<PublicationProperties>> {
        self.properties.filter(|properties| **properties != PublicationProperties::default())
    }
}

/// Bytes of the properties with their identifiers, the message expiry left out: that is told apart, as it runs down.
pub(crate) fn end_to_end_bytes(properties: &PublicationProperties) -> usize {
    let response_topic = properties.response_topic.as_ref().map_or(0, |topic| 1 + binary_bytes(topic.as_bytes()));
    2 * usize::from(properties.payload_is_utf8)
        + property_bytes::<ByteString>(&properties.content_type)
        + response_topic
        + property_bytes(&properties.correlation_data)
        + user_bytes(&properties.user_properties)
}

/// Writes the properties, the message expiry left out.
pub(crate) fn put_end_to_end(out: &mut BytesMut, properties: &PublicationProperties) {
    if properties.payload_is_utf8 {
        put_property(out, PropertyId::PayloadFormatIndicator, &Some(true));
    }
    put_property(out, PropertyId::ContentType, &properties.content_type);
    if let Some(topic) = &properties.response_topic {
        out.put_u8(PropertyId::ResponseTopic as u8);
        put_binary(out, topic.as_bytes());
    }
    put_property(out, PropertyId::CorrelationData, &properties.correlation_data);
    put_user(out, &properties.user_properties);
}
