//! Accepts MQTT connections, over TCP alone or with WebSocket on top, and deals them out to the threads that serve them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::drive::{Arrival, drive};
use super::io_threads::IoThreads;
use super::web_socket::{self, Gate};
use super::{Mqtt, Phase};
use crate::clock;
use crate::log_limit::LastingTrouble;

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct MqttListener {
    listener: TcpListener,
    carrier: Carrier,
}

/// What carries the packets of a connection.
#[derive(Debug, Clone)]
enum Carrier {
    Tcp,
    WebSocket(Arc<Gate>),
}

impl MqttListener {
    /// For MQTT straight over TCP.
    pub fn plain(listener: TcpListener) -> Self {
        Self { listener, carrier: Carrier::Tcp }
    }

    /// For MQTT over WebSocket; the gate says who may open one.
    pub fn web_socket(listener: TcpListener, gate: Gate) -> Self {
        Self { listener, carrier: Carrier::WebSocket(Arc::new(gate)) }
    }
}

/// How long clients may take to leave once they are told to.
const LEAVE_MAX: Duration = Duration::from_secs(3);
/// Rest after a failed accept: most likely the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What the accept loops share.
struct Reception {
    mqtt: Arc<Mqtt>,
    places: Arc<Semaphore>,
    threads: IoThreads,
    phases: watch::Receiver<Phase>,
}

/// A connection's place among those that the node takes, and in the figures.
#[derive(Debug)]
pub(super) struct Seat {
    mqtt: Arc<Mqtt>,
    _place: OwnedSemaphorePermit,
}

impl Seat {
    fn take(mqtt: &Arc<Mqtt>, place: OwnedSemaphorePermit) -> Self {
        mqtt.figures.connections.fetch_add(1, Ordering::Relaxed);
        mqtt.figures.open.fetch_add(1, Ordering::Relaxed);
        Self { mqtt: Arc::clone(mqtt), _place: place }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.mqtt.figures.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts connections while the node serves, then waits until all clients have left.
pub async fn serve(
    mqtt: Arc<Mqtt>,
    listeners: Vec<MqttListener>,
    threads: IoThreads,
    mut phases: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(mqtt.connections_max));
    let reception = Arc::new(Reception { mqtt, places: Arc::clone(&places), threads, phases: phases.clone() });
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept_all(listener, Arc::clone(&reception)));
    }
    while accepting.join_next().await.is_some() {}
    Phase::Closing.reached(&mut phases).await;
    let all = u32::try_from(reception.mqtt.connections_max).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(LEAVE_MAX, places.acquire_many(all)).await;
}

async fn accept_all(bound: MqttListener, reception: Arc<Reception>) {
    let mut phases = reception.phases.clone();
    let mut trouble = LastingTrouble::default();
    loop {
        let accepted = tokio::select! {
            accepted = bound.listener.accept() => accepted,
            () = Phase::Draining.reached(&mut phases) => break,
        };
        match accepted {
            Ok((stream, from)) => reception.accept(stream, from, &bound.carrier),
            Err(error) => {
                // Out of file descriptors, mostly: those who are connected go on, and some will leave.
                if trouble.is_due(clock::moment()) {
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

impl Reception {
    fn accept(&self, stream: TcpStream, from: SocketAddr, carrier: &Carrier) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.mqtt.figures.refused.fetch_add(1, Ordering::Relaxed);
            if self.mqtt.figures.complaints.0.lets_through(clock::now()) {
                let connections_max = self.mqtt.connections_max;
                tracing::warn!(
                    connections_max,
                    "a client was refused: raise limits.mqtt_connections_max, or the limit of open files, to take more"
                );
            }
            return;
        };
        let (thread, handle) = self.threads.next();
        // Each thread waits for its own sockets: the stream leaves this one's.
        let stream = stream.set_nodelay(true).and_then(|()| stream.into_std());
        let stream = stream.and_then(|stream| {
            let _of_that_thread = handle.enter();
            TcpStream::from_std(stream)
        });
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it was served");
                return;
            }
        };
        let arrival = Arrival { at: clock::now(), from, thread, seat: Seat::take(&self.mqtt, place) };
        let (mqtt, phases) = (Arc::clone(&self.mqtt), self.phases.clone());
        match carrier {
            Carrier::Tcp => handle.spawn(drive(mqtt, stream, arrival, phases)),
            Carrier::WebSocket(gate) => {
                handle.spawn(web_socket::serve(mqtt, stream, arrival, Arc::clone(gate), phases))
            }
        };
    }
}
