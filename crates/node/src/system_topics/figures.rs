//! What is told of the broker, at one moment.

use std::sync::atomic::Ordering;

use ::mqtt::packet::PacketType;
use broker::DropReason;

use crate::mqtt::Mqtt;

/// The figures behind the topics. What is said of clients is of MQTT alone; messages between flows, and those that came
/// by HTTP, are among what is stored and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figures {
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_received: u64,
    pub(super) packets_sent: u64,
    pub(super) publishes_received: u64,
    pub(super) publishes_sent: u64,
    pub(super) publishes_dropped: u64,
    pub(super) payload_bytes_received: u64,
    pub(super) payload_bytes_sent: u64,
    /// Connections that were accepted.
    pub(super) sockets: u64,
    /// Packets that ask for a session.
    pub(super) connects: u64,
    pub(super) clients_connected: u64,
    pub(super) clients_connected_max: u64,
    pub(super) clients_total: u64,
    pub(super) clients_expired: u64,
    pub(super) in_flight: u64,
    pub(super) stored_messages: u64,
    pub(super) stored_bytes: u64,
    pub(super) retained_messages: u64,
    pub(super) subscriptions: u64,
    pub(super) shared_subscriptions: u64,
}

impl Figures {
    pub(super) fn of(mqtt: &Mqtt) -> Self {
        let (broker, sessions) = (mqtt.router.figures(), mqtt.sessions.figures());
        let traffic = mqtt.figures.traffic();
        let (received, sent) = (&traffic.received, &traffic.sent);
        Self {
            bytes_received: received.bytes,
            bytes_sent: sent.bytes,
            packets_received: received.all_packets(),
            packets_sent: sent.all_packets(),
            publishes_received: received.packets(PacketType::Publish),
            publishes_sent: sent.packets(PacketType::Publish),
            publishes_dropped: broker.dropped(DropReason::Overflow),
            payload_bytes_received: received.payload_bytes,
            payload_bytes_sent: sent.payload_bytes,
            sockets: mqtt.figures.connections.load(Ordering::Relaxed),
            connects: received.packets(PacketType::Connect),
            clients_connected: sessions.connected,
            clients_connected_max: sessions.connected_max,
            clients_total: sessions.all,
            clients_expired: sessions.expired,
            in_flight: sessions.in_flight,
            stored_messages: broker.retained_messages + sessions.waiting_messages,
            stored_bytes: broker.retained_bytes + sessions.waiting_bytes,
            retained_messages: broker.retained_messages,
            subscriptions: broker.subscriptions - broker.shared_subscriptions,
            shared_subscriptions: broker.shared_subscriptions,
        }
    }

    /// Each as a text, by its name below `$SYS/broker`; the averages are not among them.
    pub(super) fn texts(&self, uptime_s: u64) -> Vec<(&'static str, String)> {
        let disconnected = self.clients_total.saturating_sub(self.clients_connected);
        let mut texts = vec![
            ("version", concat!("headwater version ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("uptime", format!("{uptime_s} seconds")),
        ];
        let numbers = [
            ("clients/total", self.clients_total),
            ("clients/maximum", self.clients_connected_max),
            ("clients/connected", self.clients_connected),
            ("clients/disconnected", disconnected),
            // Mosquitto's own older names.
            ("clients/active", self.clients_connected),
            ("clients/inactive", disconnected),
            ("clients/expired", self.clients_expired),
            ("messages/received", self.packets_received),
            ("messages/sent", self.packets_sent),
            ("messages/inflight", self.in_flight),
            ("messages/stored", self.stored_messages),
            ("store/messages/count", self.stored_messages),
            ("store/messages/bytes", self.stored_bytes),
            ("retained messages/count", self.retained_messages),
            ("subscriptions/count", self.subscriptions),
            ("shared_subscriptions/count", self.shared_subscriptions),
            ("bytes/received", self.bytes_received),
            ("bytes/sent", self.bytes_sent),
            ("publish/messages/received", self.publishes_received),
            ("publish/messages/sent", self.publishes_sent),
            ("publish/messages/dropped", self.publishes_dropped),
            ("publish/bytes/received", self.payload_bytes_received),
            ("publish/bytes/sent", self.payload_bytes_sent),
        ];
        texts.extend(numbers.map(|(name, number)| (name, number.to_string())));
        texts
    }
}
