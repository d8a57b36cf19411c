//! The modules that need nothing but the node's own services, a file each, and the one list of them.

// What each module is.
mod aggregate;
mod batch;
mod compress;
mod consumer;
mod data_generator;
mod debug;
mod decompress;
mod filter;
mod http_listener;
mod http_response;
mod json;
mod kv_delete;
mod kv_get;
mod kv_set;
mod map;
mod mqtt_pub_broker;
mod mqtt_sub_broker;
mod queue_consume;
mod queue_publish;
mod scale;
mod script;
mod split;
mod stream_append;
mod stream_read;
mod switch;
mod timer;

// What several of them are made of.
mod backlog;
mod calendar;
mod comparison;
mod conversion;
mod csv_rows;
mod decision;
mod http_body;
mod message_part;
mod payload;
mod random;
mod signal;
mod store_access;
mod ticks;

#[cfg(test)]
#[expect(unreachable_pub, reason = "shared with `tests/`, where it stands in a crate of its own")]
pub(crate) mod harness;

pub use http_body::{BodyError, read as read_http_body};
pub use message_part::{MessagePart, outgoing};
pub use payload::{PayloadError, PayloadFormat, as_found};

use crate::module::{ModuleKind, Of};

/// Every module of this crate, in the order of the toolbox.
pub const MODULES: &[&dyn ModuleKind] = &[
    // Inbound.
    &Of::<mqtt_sub_broker::MqttSubBroker>::new(),
    &Of::<queue_consume::QueueConsume>::new(),
    &Of::<stream_read::StreamRead>::new(),
    &Of::<http_listener::HttpListener>::new(),
    &Of::<timer::Timer>::new(),
    &Of::<data_generator::DataGenerator>::new(),
    // Internal.
    &Of::<script::ScriptModule>::new(),
    &Of::<map::Map>::new(),
    &Of::<filter::Filter>::new(),
    &Of::<switch::Switch>::new(),
    &Of::<scale::Scale>::new(),
    &Of::<aggregate::Aggregate>::new(),
    &Of::<batch::Batch>::new(),
    &Of::<split::Split>::new(),
    &Of::<json::Json>::new(),
    &Of::<compress::Compress>::new(),
    &Of::<decompress::Decompress>::new(),
    &Of::<kv_set::KvSet>::new(),
    &Of::<kv_get::KvGet>::new(),
    &Of::<kv_delete::KvDelete>::new(),
    // Outbound.
    &Of::<mqtt_pub_broker::MqttPubBroker>::new(),
    &Of::<queue_publish::QueuePublish>::new(),
    &Of::<stream_append::StreamAppend>::new(),
    &Of::<http_response::HttpResponder>::new(),
    &Of::<debug::Debug>::new(),
];
