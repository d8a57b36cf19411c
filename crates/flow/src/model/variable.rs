//! What each itinerary carries beside its message.

use message::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A declared variable: every itinerary begins with the initial value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    #[serde(rename = "type")]
    pub kind: VariableType,
    /// What it holds when an itinerary begins; null when absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(with = "serde_json::Value")]
    pub value: Value,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The type of a variable; null is allowed for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VariableType {
    String,
    Number,
    Boolean,
    Time,
    Json,
}

impl VariableType {
    /// Whether a variable of this type may hold `value`.
    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null)
            | (Self::Json, _)
            | (Self::String, Value::Text(_))
            | (Self::Number, Value::Int(_) | Value::UInt(_) | Value::Float(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Time, Value::Time(_)) => true,
            (Self::Time, Value::Text(text)) => text.parse::<message::Timestamp>().is_ok(),
            _ => false,
        }
    }

    /// The type in the words of messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Json => "json",
        }
    }
}
