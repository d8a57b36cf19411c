//! The status page: three static files that ask the API for all they show. Nothing is loaded from elsewhere.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::routing::get;

use super::ApiState;

/// The page runs its own script and style, speaks with its own node and is shown in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Page = ([(HeaderName, &'static str); 5], &'static str);

/// `/` and what it needs.
pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/", get(|| async { page("text/html; charset=utf-8", include_str!("index.html")) }))
        .route("/status.css", get(|| async { page("text/css; charset=utf-8", include_str!("status.css")) }))
        .route("/status.js", get(|| async { page("text/javascript; charset=utf-8", include_str!("status.js")) }))
        .route("/favicon.svg", get(|| async { page("image/svg+xml", include_str!("favicon.svg")) }))
}

fn page(media_type: &'static str, text: &'static str) -> Page {
    let headers = [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // A new version of the node is a new page.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}
