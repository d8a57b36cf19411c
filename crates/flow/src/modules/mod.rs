//! The modules that need nothing but the node's own services, a file each, and the one list of them.

mod debug;
mod message_part;
mod mqtt_pub_broker;
mod mqtt_sub_broker;
mod payload;

#[cfg(test)]
#[expect(unreachable_pub, reason = "shared with `tests/`, where it stands in a crate of its own")]
pub(crate) mod harness;

use crate::module::{ModuleKind, Of};

/// Every module of this crate, in the order of the toolbox.
pub const MODULES: &[&dyn ModuleKind] = &[
    &Of::<mqtt_sub_broker::MqttSubBroker>::new(),
    &Of::<mqtt_pub_broker::MqttPubBroker>::new(),
    &Of::<debug::Debug>::new(),
];
