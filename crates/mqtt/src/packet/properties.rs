//! Properties of MQTT 5.0, section 2.2.2: their identifiers, how their values are written, and the macro by which
//! a packet lists those that it may hold. In 3.1.1 every list is empty and takes no byte.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use message::{QoS, limits};

use super::DecodeError;
use super::fixed_header::{VARIABLE_INT_MAX, put_variable_int, variable_int_bytes};
use super::text::{Body, binary_bytes, put_binary};

macro_rules! property_ids {
    ($($name:ident = $id:literal, $text:literal;)*) => {
        /// Names a property; the number is its identifier on the wire (table 2-4).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum PropertyId { $($name = $id,)* }

        impl PropertyId {
            /// Every property, in the order of its identifier.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn from_number(number: u32) -> Option<Self> {
                match number { $($id => Some(Self::$name),)* _ => None }
            }
        }

        impl fmt::Display for PropertyId {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

property_ids! {
    PayloadFormatIndicator = 0x01, "payload format indicator";
    MessageExpiryInterval = 0x02, "message expiry interval";
    ContentType = 0x03, "content type";
    ResponseTopic = 0x08, "response topic";
    CorrelationData = 0x09, "correlation data";
    SubscriptionIdentifier = 0x0B, "subscription identifier";
    SessionExpiryInterval = 0x11, "session expiry interval";
    AssignedClientIdentifier = 0x12, "assigned client identifier";
    ServerKeepAlive = 0x13, "server keep alive";
    AuthenticationMethod = 0x15, "authentication method";
    AuthenticationData = 0x16, "authentication data";
    RequestProblemInformation = 0x17, "request problem information";
    WillDelayInterval = 0x18, "will delay interval";
    RequestResponseInformation = 0x19, "request response information";
    ResponseInformation = 0x1A, "response information";
    ServerReference = 0x1C, "server reference";
    ReasonString = 0x1F, "reason string";
    ReceiveMaximum = 0x21, "receive maximum";
    TopicAliasMaximum = 0x22, "topic alias maximum";
    TopicAlias = 0x23, "topic alias";
    MaximumQoS = 0x24, "maximum QoS";
    RetainAvailable = 0x25, "retain available";
    UserProperty = 0x26, "user property";
    MaximumPacketSize = 0x27, "maximum packet size";
    WildcardSubscriptionAvailable = 0x28, "wildcard subscription available";
    SubscriptionIdentifierAvailable = 0x29, "subscription identifier available";
    SharedSubscriptionAvailable = 0x2A, "shared subscription available";
}

/// A name and a value that a peer adds of its own; names may repeat and the order counts (section 2.2.2).
pub type UserProperty = (ByteString, ByteString);

/// The number that a client gives to a subscription: 1 to 268,435,455 (section 3.8.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(u32);

impl SubscriptionId {
    /// `None` for 0 and for what does not fit.
    pub fn new(number: u32) -> Option<Self> {
        (1..=VARIABLE_INT_MAX).contains(&number).then_some(Self(number))
    }

    pub fn get(self) -> u32 {
        self.0
    }
}

/// The value of a property: one type for each form and range that the specification knows.
pub(crate) trait PropertyValue: Sized {
    fn decode(id: PropertyId, block: &mut Body) -> Result<Self, DecodeError>;
    /// Bytes of the value, without the identifier.
    fn value_bytes(&self) -> usize;
    fn put(&self, out: &mut BytesMut);
}

const FIELD: &str = "properties";

impl PropertyValue for bool {
    fn decode(id: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        match block.u8(FIELD)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::PropertyValue { property: id }),
        }
    }

    fn value_bytes(&self) -> usize {
        1
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }
}

/// The maximum QoS: 0 or 1, as 2 is said by leaving it out (section 3.2.2.3.4).
impl PropertyValue for QoS {
    fn decode(id: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        match block.u8(FIELD)? {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            _ => Err(DecodeError::PropertyValue { property: id }),
        }
    }

    fn value_bytes(&self) -> usize {
        1
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }
}

impl PropertyValue for u16 {
    fn decode(_: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        block.u16(FIELD)
    }

    fn value_bytes(&self) -> usize {
        2
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u16(*self);
    }
}

impl PropertyValue for NonZeroU16 {
    fn decode(id: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        Self::new(block.u16(FIELD)?).ok_or(match id {
            PropertyId::TopicAlias => DecodeError::TopicAliasZero,
            property => DecodeError::PropertyValue { property },
        })
    }

    fn value_bytes(&self) -> usize {
        2
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u16(self.get());
    }
}

impl PropertyValue for u32 {
    fn decode(_: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        block.u32(FIELD)
    }

    fn value_bytes(&self) -> usize {
        4
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u32(*self);
    }
}

impl PropertyValue for NonZeroU32 {
    fn decode(id: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        Self::new(block.u32(FIELD)?).ok_or(DecodeError::PropertyValue { property: id })
    }

    fn value_bytes(&self) -> usize {
        4
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u32(self.get());
    }
}

impl PropertyValue for SubscriptionId {
    fn decode(id: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        Self::new(block.variable_int(FIELD)?).ok_or(DecodeError::PropertyValue { property: id })
    }

    fn value_bytes(&self) -> usize {
        variable_int_bytes(self.0 as usize)
    }

    fn put(&self, out: &mut BytesMut) {
        put_variable_int(out, self.0 as usize);
    }
}

impl PropertyValue for ByteString {
    fn decode(_: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        block.text(FIELD)
    }

    fn value_bytes(&self) -> usize {
        binary_bytes(self.as_bytes())
    }

    fn put(&self, out: &mut BytesMut) {
        put_binary(out, self.as_bytes());
    }
}

impl PropertyValue for Bytes {
    fn decode(_: PropertyId, block: &mut Body) -> Result<Self, DecodeError> {
        block.binary(FIELD)
    }

    fn value_bytes(&self) -> usize {
        binary_bytes(self)
    }

    fn put(&self, out: &mut BytesMut) {
        put_binary(out, self);
    }
}

/// Takes the block of properties out of a packet.
#[inline]
pub(crate) fn property_block(body: &mut Body) -> Result<Body, DecodeError> {
    let bytes = body.variable_int("length of the properties")?;
    Ok(Body::new(body.take(bytes as usize, FIELD)?))
}

/// The identifier of the next property; `None` at the end of the block.
pub(crate) fn next_property(block: &mut Body) -> Result<Option<PropertyId>, DecodeError> {
    if block.is_empty() {
        return Ok(None);
    }
    let number = block.variable_int(FIELD)?;
    PropertyId::from_number(number).map(Some).ok_or(DecodeError::PropertyUnknown { id: number })
}

/// Reads the value of a property that may stand once.
pub(crate) fn set_once<T: PropertyValue>(
    place: &mut Option<T>,
    id: PropertyId,
    block: &mut Body,
) -> Result<(), DecodeError> {
    let value = T::decode(id, block)?;
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(DecodeError::PropertyTwice { property: id }),
    }
}

/// Reads one more user property.
pub(crate) fn push_user(list: &mut Vec<UserProperty>, block: &mut Body) -> Result<(), DecodeError> {
    if list.len() >= limits::MQTT_USER_PROPERTIES_MAX {
        return Err(DecodeError::TooMany { what: "user properties", count_max: limits::MQTT_USER_PROPERTIES_MAX });
    }
    list.push((block.text(FIELD)?, block.text(FIELD)?));
    Ok(())
}

/// Bytes of a property with its identifier; nothing if it is not set.
#[inline]
pub(crate) fn property_bytes<T: PropertyValue>(value: &Option<T>) -> usize {
    value.as_ref().map_or(0, |value| 1 + value.value_bytes())
}

/// Writes a property with its identifier, if it is set.
#[inline]
pub(crate) fn put_property<T: PropertyValue>(out: &mut BytesMut, id: PropertyId, value: &Option<T>) {
    if let Some(value) = value {
        out.put_u8(id as u8);
        value.put(out);
    }
}

/// Bytes of the user properties with their identifiers.
pub(crate) fn user_bytes(list: &[UserProperty]) -> usize {
    list.iter().map(|(name, value)| 1 + binary_bytes(name.as_bytes()) + binary_bytes(value.as_bytes())).sum()
}

/// Writes the user properties.
pub(crate) fn put_user(out: &mut BytesMut, list: &[UserProperty]) {
    for (name, value) in list {
        out.put_u8(PropertyId::UserProperty as u8);
        put_binary(out, name.as_bytes());
        put_binary(out, value.as_bytes());
    }
}

/// Declares the properties that a packet may hold, each `field: type = identifier`; user properties always may.
/// What it does not list is refused when read.
macro_rules! property_list {
    ($(#[$doc:meta])* $name:ident in $packet:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty = $id:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
            /// In the order given; a name may occur more than once.
            pub user_properties: Vec<$crate::packet::UserProperty>,
        }

        impl $name {
            pub(crate) fn decode(
                version: $crate::packet::Version,
                body: &mut $crate::packet::text::Body,
            ) -> Result<Self, $crate::packet::DecodeError> {
                use $crate::packet::properties::{PropertyId, next_property, property_block, push_user};
                let mut properties = Self::default();
                if !version.has_properties() {
                    return Ok(properties);
                }
                let mut block = property_block(body)?;
                while let Some(id) = next_property(&mut block)? {
                    match id {
                        $(PropertyId::$id => {
                            $crate::packet::properties::set_once(&mut properties.$field, id, &mut block)?;
                        })*
                        PropertyId::UserProperty => push_user(&mut properties.user_properties, &mut block)?,
                        property => {
                            return Err($crate::packet::DecodeError::PropertyNotAllowed { property, packet: $packet });
                        }
                    }
                }
                Ok(properties)
            }

            /// Bytes of the properties without their length.
            fn content_bytes(&self) -> usize {
                use $crate::packet::properties::user_bytes;
                user_bytes(&self.user_properties) $(+ $crate::packet::properties::property_bytes(&self.$field))*
            }

            /// Bytes of the properties with their length; none in 3.1.1.
            pub(crate) fn block_bytes(&self, version: $crate::packet::Version) -> usize {
                if !version.has_properties() {
                    return 0;
                }
                let content = self.content_bytes();
                $crate::packet::fixed_header::variable_int_bytes(content) + content
            }

            pub(crate) fn put(&self, version: $crate::packet::Version, out: &mut bytes::BytesMut) {
                use $crate::packet::properties::put_user;
                if version.has_properties() {
                    $crate::packet::fixed_header::put_variable_int(out, self.content_bytes());
                    $($crate::packet::properties::put_property(
                        out,
                        $crate::packet::properties::PropertyId::$id,
                        &self.$field,
                    );)*
                    put_user(out, &self.user_properties);
                }
            }
        }
    };
}
pub(crate) use property_list;
