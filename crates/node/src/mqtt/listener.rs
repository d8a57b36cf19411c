//! Accepts MQTT connections over TCP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use message::limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::Mqtt;
use super::drive::drive;

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct MqttListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl MqttListener {
    /// Binds the address; port 0 lets the system choose.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address with the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Accepts connections until `stopping` becomes true, then waits until all clients have been told.
pub async fn serve(mqtt: Arc<Mqtt>, bound: MqttListener, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits::MQTT_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = bound.listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        match accepted {
            Ok((stream, _)) => accept(&mqtt, &places, stream, &stopping),
            Err(error) => {
                // Out of file descriptors, mostly: those who are connected go on, and some will leave.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(bound);
    let all = u32::try_from(limits::MQTT_CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(Duration::from_secs(2), places.acquire_many(all)).await;
}

fn accept(mqtt: &Arc<Mqtt>, places: &Arc<Semaphore>, stream: TcpStream, stopping: &watch::Receiver<bool>) {
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        mqtt.figures.refused.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        // The client has gone already, mostly; its connection ends with the first read.
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let (mqtt, stopping) = (Arc::clone(mqtt), stopping.clone());
    mqtt.figures.connections.fetch_add(1, Ordering::Relaxed);
    mqtt.figures.open.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(async move {
        drive(Arc::clone(&mqtt), stream, stopping).await;
        mqtt.figures.open.fetch_sub(1, Ordering::Relaxed);
        drop(place);
    });
}
