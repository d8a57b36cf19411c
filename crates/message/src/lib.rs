//! What travels through a node: the [`Value`] that a flow works on, the [`Publication`] that the broker carries,
//! topic names and filters, identifiers, time, and every limit. It is the ground that all other crates stand on:
//! it does no input or output, reads no clock and knows no protocol.

mod ids;
pub mod limits;
mod publication;
mod qos;
mod span;
mod stream_position;
mod time;
mod topic_filter;
mod topic_name;
pub mod value;

pub use ids::{ClientId, ConsumerName, DestinationId, FlowId, IdError, ModuleId, QueueName, StoreName, StreamName};
pub use publication::{Publication, PublicationProperties};
pub use qos::QoS;
pub use span::{SpanError, SpanText, parse_span};
pub use stream_position::{StreamPosition, StreamPositionError};
pub use time::{Moment, Now, Timestamp, TimestampError};
pub use topic_filter::{TopicFilter, TopicFilterError};
pub use topic_name::{TopicName, TopicNameError};
pub use value::{Array, Object, Text, Value};

pub use bytes::Bytes;
pub use bytestring::ByteString;
