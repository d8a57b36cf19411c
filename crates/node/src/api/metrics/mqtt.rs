//! What the MQTT listeners count, and what their sessions hold.

use std::sync::atomic::{AtomicU64, Ordering};

use ::mqtt::{DirectionFigures, PacketType};

use super::open_metrics::{Kind, OpenMetrics};
use crate::mqtt::{End, Mqtt};

pub(super) fn write(metrics: &mut OpenMetrics, mqtt: &Mqtt) {
    write_sessions(metrics, mqtt);
    write_connections(metrics, mqtt);
    write_traffic(metrics, mqtt);
}

fn write_sessions(metrics: &mut OpenMetrics, mqtt: &Mqtt) {
    let sessions = mqtt.sessions.figures();
    for (name, kind, unit, help, value) in [
        ("headwater_mqtt_sessions", Kind::Gauge, "", "Sessions now, connected or not.", sessions.all),
        ("headwater_mqtt_sessions_connected", Kind::Gauge, "", "Sessions with a client now.", sessions.connected),
        (
            "headwater_mqtt_sessions_expired",
            Kind::Counter,
            "",
            "Sessions that ended because their client stayed away.",
            sessions.expired,
        ),
        (
            "headwater_mqtt_waiting_messages",
            Kind::Gauge,
            "",
            "Messages that wait for a client.",
            sessions.waiting_messages,
        ),
        (
            "headwater_mqtt_waiting_bytes",
            Kind::Gauge,
            "bytes",
            "Memory that those in mailboxes take.",
            sessions.waiting_bytes,
        ),
        (
            "headwater_mqtt_in_flight_messages",
            Kind::Gauge,
            "",
            "Messages sent to a client that it has not acknowledged.",
            sessions.in_flight,
        ),
    ] {
        metrics.family(name, kind, unit, help);
        metrics.sample(&[], value);
    }
}

fn write_connections(metrics: &mut OpenMetrics, mqtt: &Mqtt) {
    let figures = &mqtt.figures;
    let counts: [(&'static str, Kind, &str, &AtomicU64); 6] = [
        ("headwater_mqtt_connections", Kind::Counter, "Connections accepted.", &figures.connections),
        ("headwater_mqtt_open_connections", Kind::Gauge, "Connections now.", &figures.open),
        (
            "headwater_mqtt_connections_refused",
            Kind::Counter,
            "Connections refused as there were too many.",
            &figures.refused,
        ),
        (
            "headwater_mqtt_denied",
            Kind::Counter,
            "Publishes and subscriptions refused by the access rules.",
            &figures.denied,
        ),
        (
            "headwater_mqtt_sessions_refused",
            Kind::Counter,
            "Clients refused as there were too many sessions.",
            &figures.sessions_refused,
        ),
        (
            "headwater_mqtt_subscriptions_refused",
            Kind::Counter,
            "Subscriptions refused as the session had too many.",
            &figures.subscriptions_refused,
        ),
    ];
    for (name, kind, help, count) in counts {
        metrics.family(name, kind, "", help);
        metrics.sample(&[], count.load(Ordering::Relaxed));
    }
    metrics.family("headwater_mqtt_ended_connections", Kind::Counter, "", "Connections that have ended, by their end.");
    for end in End::ALL {
        metrics.sample(&[("end", end.as_str())], figures.ends.get(end));
    }
}

fn write_traffic(metrics: &mut OpenMetrics, mqtt: &Mqtt) {
    let traffic = mqtt.figures.traffic();
    let directions: [(&'static str, &'static str, &str, &DirectionFigures); 2] = [
        ("headwater_mqtt_received_packets", "headwater_mqtt_received_bytes", "from", &traffic.received),
        ("headwater_mqtt_sent_packets", "headwater_mqtt_sent_bytes", "to", &traffic.sent),
    ];
    for (packets, bytes, word, figures) in directions {
        metrics.family(packets, Kind::Counter, "", &format!("MQTT packets {word} clients."));
        for packet in PacketType::ALL {
            let label = packet.name().to_ascii_lowercase();
            metrics.sample(&[("type", label.as_str())], figures.packets(packet));
        }
        metrics.family(bytes, Kind::Counter, "bytes", "Their bytes.");
        metrics.sample(&[], figures.bytes);
    }
}
