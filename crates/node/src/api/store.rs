//! Persistent key/value stores: what flows have written, to look at and to change. The stores in memory belong to their
//! flows alone and are not here.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use message::{StoreName, Timestamp, limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::table::{KeyValueTable, ReadError, WriteError};

use super::query::Asked;
use super::{ApiState, body};
use crate::clock;
use crate::http::{JSON, Problem, is_media_type};

/// All persistent stores.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stores {
    stores: Vec<Store>,
}

/// One persistent store.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Store {
    name: String,
    /// When it was made, as RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Keys in it, with those that have expired a moment ago.
    keys: u64,
}

/// Which keys to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KeysAsked {
    /// Only keys that begin so.
    #[serde(default)]
    prefix: String,
    /// `next` of the page before.
    #[serde(default)]
    from: Option<String>,
    /// Keys in a page at most, 1 to 1,000.
    #[serde(default)]
    max: Option<usize>,
}

/// Some of the keys of a store, in the order of their bytes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Keys {
    keys: Vec<String>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// How a value is written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ValueWritten {
    /// Seconds until the key expires; never when absent.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// Lists the persistent stores.
#[utoipa::path(get, path = "/api/v1/kv", tag = "stores", responses((status = 200, body = Stores)))]
pub(super) async fn list(State(api): State<ApiState>) -> Result<Json<Stores>, Problem> {
    let stores = table(&api).stores()?;
    let stores =
        stores.into_iter().map(|store| Store { name: store.name.into(), created: store.created, keys: store.keys });
    Ok(Json(Stores { stores: stores.collect() }))
}

/// Lists keys of a store.
#[utoipa::path(
    get, path = "/api/v1/kv/{store}", tag = "stores",
    params(("store" = String, Path), KeysAsked),
    responses((status = 200, body = Keys), (status = 404, description = "There is no such store.", body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn keys(
    State(api): State<ApiState>,
    Path(store): Path<String>,
    Asked(asked): Asked<KeysAsked>,
) -> Result<Json<Keys>, Problem> {
    let name = store_name(&store)?;
    if !is_there(&api, &name)? {
        return Err(no_store(&name));
    }
    let max = asked.max.unwrap_or(limits::API_PAGE_KEYS_MAX).clamp(1, limits::API_PAGE_KEYS_MAX);
    let page = table(&api).keys(&name, &asked.prefix, asked.from.as_deref(), max, clock::now().wall)?;
    Ok(Json(Keys { keys: page.keys, next: page.next }))
}

/// Gives the value of a key, as JSON.
#[utoipa::path(
    get, path = "/api/v1/kv/{store}/{key}", tag = "stores",
    params(("store" = String, Path), ("key" = String, Path, description = "A slash in it is written %2F.")),
    responses(
        (status = 200, description = "The value.", body = serde_json::Value),
        (status = 404, description = "There is no such key, or no such store.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    Path((store, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = store_name(&store)?;
    match table(&api).get(&name, &key, clock::now().wall)? {
        Some(value) => Ok(([(CONTENT_TYPE, JSON)], value.to_json_bytes()).into_response()),
        None => Err(no_key(&api, &name, &key)?),
    }
}

/// Sets a key to any JSON value. The answer comes when the value is on disk.
#[utoipa::path(
    put, path = "/api/v1/kv/{store}/{key}", tag = "stores",
    params(("store" = String, Path), ("key" = String, Path), ValueWritten),
    request_body = serde_json::Value,
    responses(
        (status = 201, description = "The key is new."),
        (status = 204, description = "The key has a new value."),
        (status = 507, description = "The disk takes no more.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(api): State<ApiState>,
    Path((store, key)): Path<(String, String)>,
    Asked(written): Asked<ValueWritten>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let name = store_name(&store)?;
    if !is_media_type(request.headers(), CONTENT_TYPE, JSON) {
        let detail = "the value must be JSON: send `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let bytes = body::read(request, &api).await?;
    if bytes.len() > limits::STORE_VALUE_BYTES_MAX {
        let detail =
            format!("the value has {} bytes: at most {} are allowed", bytes.len(), limits::STORE_VALUE_BYTES_MAX);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let value = message::value::parse_json(&bytes).map_err(Problem::bad_request)?;
    let now = clock::now().wall;
    let expiry = written.ttl_s.map(|seconds| now.saturating_add(Duration::from_secs(seconds)));
    let was_there = table(&api).set(&name, &key, &value, expiry, now).await?;
    Ok(if was_there { StatusCode::NO_CONTENT } else { StatusCode::CREATED })
}

/// Removes a key.
#[utoipa::path(
    delete, path = "/api/v1/kv/{store}/{key}", tag = "stores",
    params(("store" = String, Path), ("key" = String, Path)),
    responses(
        (status = 204, description = "The key is gone."),
        (status = 404, description = "There is no such key, or no such store.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn delete(
    State(api): State<ApiState>,
    Path((store, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name = store_name(&store)?;
    if table(&api).delete(&name, &key, clock::now().wall).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_key(&api, &name, &key)?)
    }
}

fn table(api: &ApiState) -> KeyValueTable {
    api.tables.key_values()
}

fn store_name(text: &str) -> Result<StoreName, Problem> {
    StoreName::parse(text).map_err(Problem::bad_request)
}

fn is_there(api: &ApiState, name: &StoreName) -> Result<bool, ReadError> {
    Ok(table(api).stores()?.iter().any(|store| store.name == *name))
}

fn no_store(name: &StoreName) -> Problem {
    Problem::not_found(format!("there is no persistent store `{name}`; the first write makes it"))
}

/// What is missing where a key is not found.
fn no_key(api: &ApiState, store: &StoreName, key: &str) -> Result<Problem, ReadError> {
    Ok(match is_there(api, store)? {
        true => Problem::not_found(format!("store `{store}` has no key `{key}`")),
        false => no_store(store),
    })
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match &error {
            WriteError::Refused(what) => Self::bad_request(what),
            WriteError::Full { .. } | WriteError::Closed { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, error),
            WriteError::NoRoom { .. } | WriteError::Poisoned { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, error)
            }
        }
    }
}
