//! Errors as problem documents (RFC 9457), for every error that a listener answers.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// The words of a foreign error that are kept as its detail.
const DETAIL_BYTES_MAX: usize = 4096;

/// What went wrong with a request: the status says to machines what kind it is, the detail says to people what to do.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// The status in words, as in `Not Found`.
    title: String,
    /// The HTTP status code.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// What failed, its name, and what to do.
    detail: String,
    /// What is wrong with a flow, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<crate::api::FlowProblem>)]
    problems: Vec<crate::api::FlowProblem>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl ToString) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { title, status, detail: detail.to_string(), problems: Vec::new() }
    }

    /// Something in the request cannot be understood.
    pub(crate) fn bad_request(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The same kind of problem in other words.
    pub(crate) fn with_detail(self, detail: impl ToString) -> Self {
        Self { detail: detail.to_string(), ..self }
    }

    /// The flow itself is wrong.
    pub(crate) fn wrong_flow(detail: impl ToString, problems: Vec<crate::api::FlowProblem>) -> Self {
        Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// The node could not do what it should have done; a person is needed.
    pub(crate) fn internal(detail: impl ToString) -> Self {
        let detail = detail.to_string();
        tracing::error!(detail, "a request to the API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (self.status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

/// Turns errors that the web framework answers by itself (no such route, body too large, unreadable query) into problem
/// documents; keeps the header fields that belong to an error.
pub(crate) async fn complete_errors(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(CONTENT_TYPE) == Some(&PROBLEM_JSON) {
        return response;
    }
    let (head, body) = response.into_parts();
    let mut completed = Problem::new(status, detail_of(status, body).await).into_response();
    const KEPT: [HeaderName; 3] = [ALLOW, RETRY_AFTER, WWW_AUTHENTICATE];
    for name in KEPT {
        if let Some(value) = head.headers.get(&name) {
            completed.headers_mut().insert(name, value.clone());
        }
    }
    completed
}

async fn detail_of(status: StatusCode, body: Body) -> String {
    let bytes = axum::body::to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    if !text.is_empty() {
        return text;
    }
    let words = match status {
        StatusCode::NOT_FOUND => "nothing is at this path; /api/v1/openapi.json lists what there is",
        StatusCode::METHOD_NOT_ALLOWED => {
            "this path does not take this method; the Allow field lists those that it takes"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        _ => "",
    };
    words.to_owned()
}
