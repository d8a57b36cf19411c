//! PUBLISH, section 3.3: the packet that all the speed is for. Reading one without properties allocates nothing;
//! writing one takes a view, so that a message is written for every subscriber without being put together first.

use std::num::NonZeroU16;

use bytes::{BufMut, Bytes, BytesMut};
use message::{PublicationProperties, QoS, TopicName, limits};

use super::end_to_end::{EndToEnd, end_to_end_bytes, put_end_to_end};
use super::fixed_header::{VARIABLE_INT_MAX, put_variable_int, variable_int_bytes};
use super::properties::{
    PropertyId, PropertyValue, SubscriptionId, next_property, property_block, property_bytes, put_property, set_once,
};
use super::text::Body;
use super::{DecodeError, PacketTooLarge, PacketType, Version};

/// Brings an application message, in either direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// The sender sent it before, perhaps.
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// `None` when the alias alone names the topic.
    pub topic: Option<TopicName>,
    /// Set exactly when the QoS is above 0.
    pub packet_id: Option<NonZeroU16>,
    pub topic_alias: Option<NonZeroU16>,
    /// The subscriptions that the message matched, in the direction of the client only.
    pub subscription_ids: Vec<u32>,
    /// What travels from publisher to subscriber; the expiry is what is left of it.
    pub properties: Option<Box<PublicationProperties>>,
    pub payload: Bytes,
}

impl Publish {
    /// Reads the body. `known_topic` may name a topic by its bytes, so that one that was seen before is not checked
    /// again.
    #[inline]
    pub(crate) fn decode(
        version: Version,
        flags: u8,
        mut body: Body,
        mut known_topic: impl FnMut(&[u8]) -> Option<TopicName>,
    ) -> Result<Self, DecodeError> {
        let (dup, retain) = (flags & 0b1000 != 0, flags & 1 != 0);
        let qos = QoS::try_from(flags >> 1 & 0b11).map_err(|_| DecodeError::MessageQoS)?;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::DuplicateAtMostOnce);
        }
        let topic = read_topic(&mut body, &mut known_topic)?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            _ => Some(NonZeroU16::new(body.u16("packet identifier")?).ok_or(DecodeError::PacketIdZero)?),
        };
        let hop = if version.has_properties() { Hop::decode(&mut body)? } else { Hop::default() };
        if topic.is_none() && hop.topic_alias.is_none() {
            return Err(message::TopicNameError::Empty.into());
        }
        Ok(Self {
            dup,
            qos,
            retain,
            topic,
            packet_id,
            topic_alias: hop.topic_alias,
            subscription_ids: hop.subscription_ids,
            properties: hop.properties,
            payload: body.rest(),
        })
    }

    /// What is needed to write this packet.
    pub fn view(&self) -> PublishView<'_> {
        PublishView {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic.as_ref().map_or("", TopicName::as_str),
            packet_id: self.packet_id,
            topic_alias: self.topic_alias,
            subscription_ids: &self.subscription_ids,
            message_expiry_s: self.properties.as_ref().and_then(|properties| properties.message_expiry_s),
            properties: self.properties.as_deref(),
            payload: &self.payload,
        }
    }
}

#[inline]
fn read_topic(
    body: &mut Body,
    known_topic: &mut impl FnMut(&[u8]) -> Option<TopicName>,
) -> Result<Option<TopicName>, DecodeError> {
    let bytes = body.peek_binary("topic name")?;
    let count = bytes.len();
    if count == 0 {
        body.skip(2);
        return Ok(None);
    }
    if let Some(topic) = known_topic(bytes) {
        body.skip(2 + count);
        return Ok(Some(topic));
    }
    Ok(Some(TopicName::from_bytes(body.binary("topic name")?)?))
}

/// The properties of a PUBLISH, those of one hop beside those that travel on.
#[derive(Debug, Default)]
struct Hop {
    topic_alias: Option<NonZeroU16>,
    subscription_ids: Vec<u32>,
    properties: Option<Box<PublicationProperties>>,
}

impl Hop {
    #[inline]
    fn decode(body: &mut Body) -> Result<Self, DecodeError> {
        let mut hop = Self::default();
        let mut block = property_block(body)?;
        if block.is_empty() {
            return Ok(hop);
        }
        let mut end_to_end = EndToEnd::default();
        while let Some(id) = next_property(&mut block)? {
            match id {
                PropertyId::TopicAlias => set_once(&mut hop.topic_alias, id, &mut block)?,
                PropertyId::SubscriptionIdentifier => hop.push_subscription_id(&mut block)?,
                _ if end_to_end.read(id, &mut block)? => {}
                property => return Err(DecodeError::PropertyNotAllowed { property, packet: "PUBLISH" }),
            }
        }
        hop.properties = end_to_end.finish();
        Ok(hop)
    }

    fn push_subscription_id(&mut self, block: &mut Body) -> Result<(), DecodeError> {
        let count_max = limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX;
        if self.subscription_ids.len() >= count_max {
            return Err(DecodeError::TooMany { what: "subscription identifiers", count_max });
        }
        self.subscription_ids.push(SubscriptionId::decode(PropertyId::SubscriptionIdentifier, block)?.get());
        Ok(())
    }
}

/// A PUBLISH as it is to be written, borrowed from wherever its parts lie.
#[derive(Debug, Clone, Copy)]
pub struct PublishView<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Empty when the alias alone names the topic.
    pub topic: &'a str,
    pub packet_id: Option<NonZeroU16>,
    pub topic_alias: Option<NonZeroU16>,
    /// What is no [`SubscriptionId`] is left out.
    pub subscription_ids: &'a [u32],
    /// Seconds that are left; the figure in `properties` is not used.
    pub message_expiry_s: Option<u32>,
    pub properties: Option<&'a PublicationProperties>,
    pub payload: &'a [u8],
}

impl PublishView<'_> {
    /// Appends the packet to `out`, or nothing if it would have more than `bytes_max` bytes.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut BytesMut, bytes_max: usize) -> Result<(), PacketTooLarge> {
        let properties_bytes = if version.has_properties() { self.properties_bytes() } else { 0 };
        let block_bytes =
            if version.has_properties() { variable_int_bytes(properties_bytes) + properties_bytes } else { 0 };
        let id_bytes = if self.packet_id.is_some() { 2 } else { 0 };
        let body_bytes = 2 + self.topic.len() + id_bytes + block_bytes + self.payload.len();
        let packet_bytes = 1 + variable_int_bytes(body_bytes) + body_bytes;
        if packet_bytes > bytes_max || body_bytes > VARIABLE_INT_MAX as usize {
            return Err(PacketTooLarge { bytes_max });
        }
        out.reserve(packet_bytes);
        let flags = u8::from(self.dup) << 3 | u8::from(self.qos) << 1 | u8::from(self.retain);
        out.put_u8((PacketType::Publish as u8) << 4 | flags);
        put_variable_int(out, body_bytes);
        out.put_u16(self.topic.len() as u16);
        out.put_slice(self.topic.as_bytes());
        if let Some(packet_id) = self.packet_id {
            out.put_u16(packet_id.get());
        }
        if version.has_properties() {
            put_variable_int(out, properties_bytes);
            if properties_bytes > 0 {
                self.put_properties(out);
            }
        }
        out.put_slice(self.payload);
        Ok(())
    }

    fn subscription_ids(&self) -> impl Iterator<Item = SubscriptionId> {
        self.subscription_ids.iter().filter_map(|number| SubscriptionId::new(*number))
    }

    #[inline]
    fn properties_bytes(&self) -> usize {
        let ids: usize = self.subscription_ids().map(|id| 1 + id.value_bytes()).sum();
        property_bytes(&self.topic_alias)
            + property_bytes(&self.message_expiry_s)
            + ids
            + self.properties.map_or(0, end_to_end_bytes)
    }

    fn put_properties(&self, out: &mut BytesMut) {
        put_property(out, PropertyId::TopicAlias, &self.topic_alias);
        put_property(out, PropertyId::MessageExpiryInterval, &self.message_expiry_s);
        for id in self.subscription_ids() {
            put_property(out, PropertyId::SubscriptionIdentifier, &Some(id));
        }
        if let Some(properties) = self.properties {
            put_end_to_end(out, properties);
        }
    }
}
