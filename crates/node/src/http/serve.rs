//! The accept loop of an HTTP listener: a bounded number of connections, each with deadlines and limits, drained on stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use message::limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::clock;
use crate::log_limit::LastingTrouble;

/// Told when the node stops; every clone hears it.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// The one that tells, and the one that hears.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Ready when the node stops.
    pub(crate) async fn stopped(&mut self) {
        // A sender that is gone means the same.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// One HTTP listener. `handle` answers each request.
#[derive(Debug)]
pub(crate) struct HttpServer<H> {
    pub(crate) listener: TcpListener,
    /// In the words of logs, as in `web`.
    pub(crate) name: &'static str,
    /// At one time.
    pub(crate) connections_max: usize,
    pub(crate) handle: H,
}

/// How long connections may take to end their answers after the stop.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// Rest after a failed accept: most likely the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

impl<H, F> HttpServer<H>
where
    H: Fn(SocketAddr, hyper::Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    /// Serves until the node stops, then lets the requests under way end.
    pub(crate) async fn run(self, mut stop: Stop) {
        let room = Arc::new(Semaphore::new(self.connections_max));
        let mut connections = JoinSet::new();
        let mut trouble = LastingTrouble::default();
        loop {
            // Without room nothing is accepted: further connections wait in the kernel's backlog.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = stop.stopped() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (handle, stop) = (self.handle.clone(), stop.clone());
                    connections.spawn(async move {
                        serve_connection(stream, peer, handle, stop).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    if trouble.is_due(clock::moment()) {
                        tracing::warn!(listener = self.name, %error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
            while let Some(ended) = connections.try_join_next() {
                self.report(ended);
            }
        }
        drop(self.listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_DEADLINE, all_ended).await.is_err() {
            tracing::warn!(listener = self.name, "connections were cut: they did not end in time");
        }
    }

    fn report(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(listener = self.name, "a request broke down; its connection was closed");
        }
    }
}

async fn serve_connection<H, F>(stream: TcpStream, peer: SocketAddr, handle: H, mut stop: Stop)
where
    H: Fn(SocketAddr, hyper::Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // Answers are small and come in one write: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request| {
        let answer = handle(peer, request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEAD_DEADLINE)
        .max_headers(limits::HTTP_HEADERS_MAX)
        .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // An error here is the client's: it went away, sent no HTTP or was too slow. Nothing is lost.
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "an HTTP connection ended early");
    }
}
