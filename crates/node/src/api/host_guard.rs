//! Refuses requests that name the node by a foreign host name. A page on the web can point a name of its own at
//! 127.0.0.1 and would then be of the same origin as the node (DNS rebinding); addresses cannot be taken that way.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use crate::http::check_host;

pub(super) async fn require_known_host(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    match check_host(request.headers(), &api.config.listeners.web.host_names, "listeners.web.host_names") {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
