//! MQTT over WebSocket (MQTT 5.0 section 6): `gate` says who may open one, `upgrade` answers the HTTP request that asks
//! for it, `transport` makes a stream of bytes of its messages. Above that nothing differs from TCP.

mod gate;
mod transport;
mod upgrade;

pub use gate::Gate;

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use self::transport::Transport;
use self::upgrade::upgrade;
use super::drive::{Arrival, drive};
use super::{Mqtt, Phase};

/// Serves one connection: first HTTP, which may take as long as a CONNECT packet may, then MQTT.
pub(super) async fn serve(
    mqtt: Arc<Mqtt>,
    stream: TcpStream,
    arrival: Arrival,
    gate: Arc<Gate>,
    mut phases: watch::Receiver<Phase>,
) {
    let upgraded = tokio::select! {
        upgraded = tokio::time::timeout(mqtt.settings.connect_deadline, Box::pin(upgrade(stream, &gate))) => upgraded,
        () = Phase::Draining.reached(&mut phases) => return,
    };
    let Ok(Some((stream, read))) = upgraded else { return };
    let transport = Transport::new(stream, read, mqtt.settings.packet_bytes_max).await;
    drive(mqtt, transport, arrival, phases).await;
}
