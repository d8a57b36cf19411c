//! Exchanges the code of the setup link for the token, once.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use serde::{Deserialize, Serialize};

use super::{ApiState, Body};
use crate::clock;
use crate::http::Problem;

/// The code of the setup link.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupRequest {
    /// What stands behind `#setup=` in the link.
    code: String,
}

/// The token of the API.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SetupAnswer {
    token: String,
}

/// Gives the token for the code of the setup link. A code is good once, within an hour of the node's start.
#[utoipa::path(
    post, path = "/api/v1/setup", tag = "node", security(()), request_body = SetupRequest,
    responses(
        (status = 200, body = SetupAnswer),
        (status = 403, description = "The code is wrong, was used, or its hour has passed.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn exchange(
    State(api): State<ApiState>,
    Body(request): Body<SetupRequest>,
) -> Result<([(HeaderName, &'static str); 1], Json<SetupAnswer>), Problem> {
    match api.access.exchange(&request.code, clock::moment()) {
        Some(token) => Ok(([(CACHE_CONTROL, "no-store")], Json(SetupAnswer { token }))),
        None => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this setup code is wrong, was used, or its hour has passed; DATA_DIR/admin-token holds the token",
        )),
    }
}
