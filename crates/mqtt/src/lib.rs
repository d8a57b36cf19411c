//! MQTT on the wire.
