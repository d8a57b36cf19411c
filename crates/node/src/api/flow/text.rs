//! The text of a flow in a request and in an answer: TOML or JSON, as the media type says.

use axum::extract::{FromRequest, Request};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};

use store::table::FlowFormat;

use crate::api::body;
use crate::http::{JSON, Problem, TOML, is_media_type};
use crate::library::FlowText;

/// The body of a request as the text of a flow.
#[derive(Debug)]
pub(super) struct FlowBody(pub(super) FlowText);

impl<S: Send + Sync> FromRequest<S> for FlowBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let format = format_of(request.headers())?;
        let bytes = body::read(request, state).await?;
        let text = String::from_utf8(bytes.into()).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            Problem::bad_request(format!("the flow is no UTF-8 text: byte {place} is wrong; save the file as UTF-8"))
        })?;
        Ok(Self(FlowText { format, text }))
    }
}

fn format_of(headers: &HeaderMap) -> Result<FlowFormat, Problem> {
    let has = |media_type| is_media_type(headers, CONTENT_TYPE, media_type);
    if has(TOML) {
        Ok(FlowFormat::Toml)
    } else if has(JSON) {
        Ok(FlowFormat::Json)
    } else {
        let detail = "a flow is TOML or JSON: send `Content-Type: application/toml` or `application/json`";
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    }
}

/// Whether the caller asks for TOML.
pub(super) fn wants_toml(headers: &HeaderMap) -> bool {
    is_media_type(headers, ACCEPT, TOML)
}
