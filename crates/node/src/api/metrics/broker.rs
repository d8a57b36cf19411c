//! What the broker and the MQTT listener count.

use std::sync::atomic::Ordering;

use broker::{DropReason, Figures, Sessions};

use super::open_metrics::{Kind, OpenMetrics};
use crate::mqtt::Mqtt;

pub(super) fn write(metrics: &mut OpenMetrics, broker: &Figures, mqtt: &Mqtt, sessions: &Sessions) {
    let (connected, all) = sessions.connected_and_all();
    let listener = &mqtt.figures;
    for (name, kind, unit, help, value) in [
        ("headwater_broker_received_messages", Kind::Counter, "", "Messages published.", broker.messages_received),
        ("headwater_broker_received_bytes", Kind::Counter, "bytes", "Their payloads.", broker.bytes_received),
        (
            "headwater_broker_sent_messages",
            Kind::Counter,
            "",
            "Messages delivered to subscribers.",
            broker.messages_sent,
        ),
        ("headwater_broker_sent_bytes", Kind::Counter, "bytes", "Their payloads.", broker.bytes_sent),
        ("headwater_broker_subscriptions", Kind::Gauge, "", "Subscriptions now.", broker.subscriptions),
        ("headwater_broker_retained_messages", Kind::Gauge, "", "Retained messages now.", broker.retained_messages),
        ("headwater_broker_retained_bytes", Kind::Gauge, "bytes", "Memory that they take.", broker.retained_bytes),
        ("headwater_mqtt_sessions", Kind::Gauge, "", "Sessions now, connected or not.", all as u64),
        ("headwater_mqtt_sessions_connected", Kind::Gauge, "", "Sessions with a client now.", connected as u64),
        (
            "headwater_mqtt_connections",
            Kind::Counter,
            "",
            "Connections accepted.",
            listener.connections.load(Ordering::Relaxed),
        ),
        (
            "headwater_mqtt_connections_refused",
            Kind::Counter,
            "",
            "Connections refused as there were too many.",
            listener.refused.load(Ordering::Relaxed),
        ),
        (
            "headwater_mqtt_denied",
            Kind::Counter,
            "",
            "Publishes and subscriptions refused by the access rules.",
            listener.denied.load(Ordering::Relaxed),
        ),
    ] {
        metrics.family(name, kind, unit, help);
        metrics.sample(&[], value);
    }
    metrics.family("headwater_broker_dropped_messages", Kind::Counter, "", "Messages that did not reach a subscriber.");
    for reason in DropReason::ALL {
        metrics.sample(&[("reason", reason.as_str())], broker.dropped(reason));
    }
}
