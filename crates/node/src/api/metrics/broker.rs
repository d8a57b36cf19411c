//! What the broker counts.

use broker::{DropReason, Figures};

use super::open_metrics::{Kind, OpenMetrics};

/// `too_large` are messages that a client takes no packets for.
pub(super) fn write(metrics: &mut OpenMetrics, broker: &Figures, too_large: u64) {
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
        (
            "headwater_broker_shared_subscriptions",
            Kind::Gauge,
            "",
            "Shared subscriptions among them.",
            broker.shared_subscriptions,
        ),
        ("headwater_broker_retained_messages", Kind::Gauge, "", "Retained messages now.", broker.retained_messages),
        ("headwater_broker_retained_bytes", Kind::Gauge, "bytes", "Memory that they take.", broker.retained_bytes),
    ] {
        metrics.family(name, kind, unit, help);
        metrics.sample(&[], value);
    }
    metrics.family("headwater_broker_dropped_messages", Kind::Counter, "", "Messages that did not reach a subscriber.");
    for reason in DropReason::ALL {
        metrics.sample(&[("reason", reason.as_str())], broker.dropped(reason));
    }
    metrics.sample(&[("reason", "too_large")], too_large);
}
