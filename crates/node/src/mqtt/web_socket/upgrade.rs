//! The HTTP request by which a connection becomes a WebSocket.

use std::convert::Infallible;
use std::sync::Mutex;

use axum::body::Body;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use message::limits;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::gate::{Gate, SUBPROTOCOL, VERSION};

/// Answers one request; gives the stream back, with what was already read of it, when that opened a WebSocket.
pub(super) async fn upgrade(stream: TcpStream, gate: &Gate) -> Option<(TcpStream, Bytes)> {
    let admitted = Mutex::new(None);
    let service = hyper::service::service_fn(|request| {
        let answer = answer(request, gate, &admitted);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .max_headers(limits::HTTP_HEADERS_MAX)
        .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection sent no request for a WebSocket");
        return None;
    }
    let upgrade: OnUpgrade = admitted.into_inner().ok().flatten()?;
    let parts = upgrade.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

fn answer(mut request: hyper::Request<Incoming>, gate: &Gate, admitted: &Mutex<Option<OnUpgrade>>) -> Response {
    let key = match gate.admit(request.method(), request.uri(), request.headers()) {
        Ok(key) => key,
        Err(problem) => {
            tracing::debug!(path = request.uri().path(), "a WebSocket was refused");
            let mut response = problem.into_response();
            let wants_upgrade = response.status() == StatusCode::UPGRADE_REQUIRED;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            if wants_upgrade {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            return response;
        }
    };
    if let Ok(mut admitted) = admitted.lock() {
        *admitted = Some(hyper::upgrade::on(&mut request));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    // Base64 is always fit for a field.
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(&key)) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
