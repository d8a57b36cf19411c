//! Accepts MQTT connections over TCP and deals them out to the threads that serve them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use message::limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::drive::drive;
use super::io_threads::IoThreads;
use super::{Mqtt, Phase};

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

/// How long clients may take to leave once they are told to.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// Accepts connections while the node serves, then waits until all clients have left.
pub async fn serve(mqtt: Arc<Mqtt>, bound: MqttListener, mut threads: IoThreads, mut phases: watch::Receiver<Phase>) {
    let places = Arc::new(Semaphore::new(limits::MQTT_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = bound.listener.accept() => accepted,
            () = Phase::Draining.reached(&mut phases) => break,
        };
        match accepted {
            Ok((stream, _)) => accept(&mqtt, &places, stream, &mut threads, &phases),
            Err(error) => {
                // Out of file descriptors, mostly: those who are connected go on, and some will leave.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(bound);
    Phase::Closing.reached(&mut phases).await;
    let all = u32::try_from(limits::MQTT_CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(LEAVE_MAX, places.acquire_many(all)).await;
}

fn accept(
    mqtt: &Arc<Mqtt>,
    places: &Arc<Semaphore>,
    stream: TcpStream,
    threads: &mut IoThreads,
    phases: &watch::Receiver<Phase>,
) {
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        mqtt.figures.refused.fetch_add(1, Ordering::Relaxed);
        return;
    };
    // Each thread waits for its own sockets: the stream leaves this one's.
    let stream = stream.set_nodelay(true).and_then(|()| stream.into_std());
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
    };
    let (mqtt, phases) = (Arc::clone(mqtt), phases.clone());
    threads.next().spawn(async move {
        mqtt.figures.connections.fetch_add(1, Ordering::Relaxed);
        mqtt.figures.open.fetch_add(1, Ordering::Relaxed);
        match TcpStream::from_std(stream) {
            Ok(stream) => drive(Arc::clone(&mqtt), stream, phases).await,
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
        mqtt.figures.open.fetch_sub(1, Ordering::Relaxed);
        drop(place);
    });
}
