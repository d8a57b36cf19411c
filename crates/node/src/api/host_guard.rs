//! Refuses requests that name the node by a foreign host name. A page on the web can point a name of its own at
//! 127.0.0.1 and would then be of the same origin as the node (DNS rebinding); addresses cannot be taken that way.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use crate::http::{Problem, is_known_host};

pub(super) async fn require_known_host(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let host = match request.headers().get(HOST).map(|value| value.to_str()) {
        Some(Ok(host)) => host,
        // HTTP/1.0 needs no Host; no browser speaks it.
        None => return next.run(request).await,
        Some(Err(_)) => "",
    };
    if is_known_host(host, &api.config.listeners.web.host_names) {
        return next.run(request).await;
    }
    let shown: String = host.chars().take(80).collect();
    let detail =
        format!("this node is not called `{shown}`; use its IP address, or add the name to `listeners.web.host_names`");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}
