//! The query of a request, with errors that say what it takes.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::http::Problem;

/// A query as `T`.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(asked)| Self(asked)).map_err(|error| {
            let text = error.body_text();
            let what = text.split_once("query string: ").map_or(text.as_str(), |(_, what)| what);
            let path = parts.uri.path();
            Problem::bad_request(format!(
                "the query of `{path}` cannot be read: {what}; /api/v1/openapi.json lists what it takes"
            ))
        })
    }
}
