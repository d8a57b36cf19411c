//! The modules that need nothing but the node's own services, a file each, and the one list of them.

mod calendar;
mod csv_rows;
mod data_generator;
mod debug;
mod http_body;
mod http_listener;
mod http_response;
mod kv_delete;
mod kv_get;
mod kv_set;
mod message_part;
mod mqtt_pub_broker;
mod mqtt_sub_broker;
mod payload;
mod random;
mod signal;
mod store_access;
mod ticks;
mod timer;

#[cfg(test)]
#[expect(unreachable_pub, reason = "shared with `tests/`, where it stands in a crate of its own")]
pub(crate) mod harness;

use crate::module::{ModuleKind, Of};

/// Every module of this crate, in the order of the toolbox.
pub const MODULES: &[&dyn ModuleKind] = &[
    &Of::<mqtt_sub_broker::MqttSubBroker>::new(),
    &Of::<mqtt_pub_broker::MqttPubBroker>::new(),
    &Of::<http_listener::HttpListener>::new(),
    &Of::<http_response::HttpResponder>::new(),
    &Of::<kv_set::KvSet>::new(),
    &Of::<kv_get::KvGet>::new(),
    &Of::<kv_delete::KvDelete>::new(),
    &Of::<timer::Timer>::new(),
    &Of::<data_generator::DataGenerator>::new(),
    &Of::<debug::Debug>::new(),
];
