//! The JSON body of a request, with errors that say where it is wrong.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use message::limits;
use serde::de::DeserializeOwned;

use crate::http::{JSON, Problem, is_media_type};

/// A JSON body as `T`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_media_type(request.headers(), CONTENT_TYPE, JSON) {
            let detail = "the body must be JSON: send `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = read(request, state).await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let at = if matches!(path.as_str(), "." | "?") { String::new() } else { format!(" at `{path}`") };
            Problem::bad_request(format!("the body cannot be read{at}: {}", error.into_inner()))
        })?;
        deserializer.end().map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
        Ok(Self(value))
    }
}

/// The body as it came, within the node's limit.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|error| {
        let detail = match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                format!("the body is larger than {} bytes: send less at once", limits::HTTP_BODY_BYTES_MAX)
            }
            _ => error.body_text(),
        };
        Problem::new(error.status(), detail)
    })
}
