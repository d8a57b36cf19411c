//! The will of a CONNECT, sections 3.1.2.5 and 3.1.3.2 to 3.1.3.4: what the server publishes when the client is lost.

use bytes::{BufMut, Bytes, BytesMut};
use message::{PublicationProperties, QoS, TopicName};

use super::end_to_end::{EndToEnd, end_to_end_bytes, put_end_to_end};
use super::fixed_header::{put_variable_int, variable_int_bytes};
use super::properties::{PropertyId, next_property, property_block, property_bytes, put_property, set_once};
use super::text::{Body, binary_bytes, put_binary};
use super::{DecodeError, Version};

/// A message left with the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Will {
    pub topic: TopicName,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// Seconds between the loss of the client and the publishing; a client that is back in time prevents it.
    pub delay_s: u32,
    pub properties: Option<Box<PublicationProperties>>,
}

impl Will {
    pub(crate) fn decode(version: Version, qos: QoS, retain: bool, body: &mut Body) -> Result<Self, DecodeError> {
        let mut delay_s = None;
        let mut end_to_end = EndToEnd::default();
        if version.has_properties() {
            let mut block = property_block(body)?;
            while let Some(id) = next_property(&mut block)? {
                match id {
                    PropertyId::WillDelayInterval => set_once(&mut delay_s, id, &mut block)?,
                    _ if end_to_end.read(id, &mut block)? => {}
                    property => return Err(DecodeError::PropertyNotAllowed { property, packet: "a will" }),
                }
            }
        }
        let topic = TopicName::from_bytes(body.binary("will topic")?)?;
        let payload = body.binary("will payload")?;
        Ok(Self { topic, payload, qos, retain, delay_s: delay_s.unwrap_or(0), properties: end_to_end.finish() })
    }

    pub(crate) fn bytes(&self, version: Version) -> usize {
        let block = if version.has_properties() {
            let content = self.properties_bytes();
            variable_int_bytes(content) + content
        } else {
            0
        };
        block + binary_bytes(self.topic.as_bytes()) + binary_bytes(&self.payload)
    }

    pub(crate) fn put(&self, version: Version, out: &mut BytesMut) {
        if version.has_properties() {
            put_variable_int(out, self.properties_bytes());
            if self.delay_s > 0 {
                out.put_u8(PropertyId::WillDelayInterval as u8);
                out.put_u32(self.delay_s);
            }
            if let Some(properties) = &self.properties {
                put_property(out, PropertyId::MessageExpiryInterval, &properties.message_expiry_s);
                put_end_to_end(out, properties);
            }
        }
        put_binary(out, self.topic.as_bytes());
        put_binary(out, &self.payload);
    }

    fn properties_bytes(&self) -> usize {
        let delay = if self.delay_s > 0 { 5 } else { 0 };
        let end_to_end = self
            .properties
            .as_ref()
            .map_or(0, |properties| property_bytes(&properties.message_expiry_s) + end_to_end_bytes(properties));
        delay + end_to_end
    }
}
