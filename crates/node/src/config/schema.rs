//! The JSON Schema of the configuration, published as `docs/config.schema.json`.

use serde_json::Value;

use super::Config;

/// The JSON Schema of a configuration file.
pub fn config_schema() -> Value {
    schemars::schema_for!(Config).to_value()
}
