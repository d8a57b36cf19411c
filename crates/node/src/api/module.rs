//! The module types that flows are made of, with the JSON Schemas of their settings.

use axum::Json;
use axum::extract::State;
use flow::module::ModuleKind;
use serde::Serialize;

use super::ApiState;

/// Every module type that this node offers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Modules {
    /// In the order of the toolbox.
    modules: Vec<ModuleType>,
}

/// One module type.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ModuleType {
    /// As flow files write it, as in `kv-get`.
    #[serde(rename = "type")]
    name: &'static str,
    /// `inbound`, `internal` or `outbound`.
    #[schema(value_type = String)]
    direction: flow::module::Direction,
    /// What it does, in one sentence.
    summary: &'static str,
    /// Settings to begin with, as TOML.
    example: &'static str,
    /// The JSON Schema of the settings.
    #[schema(value_type = Object)]
    settings: serde_json::Value,
}

/// Lists the module types.
#[utoipa::path(get, path = "/api/v1/modules", tag = "modules", responses((status = 200, body = Modules)))]
pub(super) async fn list(State(api): State<ApiState>) -> Json<Modules> {
    Json(Modules { modules: api.library.catalog().kinds().iter().copied().map(describe).collect() })
}

fn describe(kind: &dyn ModuleKind) -> ModuleType {
    ModuleType {
        name: kind.type_name(),
        direction: kind.direction(),
        summary: kind.summary(),
        example: kind.example(),
        settings: kind.settings_schema().to_value(),
    }
}
