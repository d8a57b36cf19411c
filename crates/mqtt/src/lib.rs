//! MQTT on the wire.
#[allow(dead_code)]
pub mod packet;
