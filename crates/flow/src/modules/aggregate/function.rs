//! The functions that a window computes.

use std::borrow::Cow;
use std::str::FromStr;

use message::Text;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// A function over the values of one property in one window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Function {
    /// As written: the name of the result.
    pub(super) name: Text,
    pub(super) kind: FunctionKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FunctionKind {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Deviation,
    First,
    Last,
    /// 0 to 100.
    Percentile(f64),
}

impl FunctionKind {
    /// Whether it computes with numbers; the others take any value.
    pub(super) fn is_numeric(self) -> bool {
        !matches!(self, Self::Count | Self::First | Self::Last)
    }
}

/// A text that names no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is no function: write count, sum, mean, min, max, stddev, first, last, median, or a percentile such as p95"
)]
pub(super) struct FunctionError {
    name: String,
}

impl FromStr for Function {
    type Err = FunctionError;

    fn from_str(name: &str) -> Result<Self, FunctionError> {
        let kind = match name {
            "count" => FunctionKind::Count,
            "sum" => FunctionKind::Sum,
            "mean" | "avg" => FunctionKind::Mean,
            "min" => FunctionKind::Min,
            "max" => FunctionKind::Max,
            "stddev" => FunctionKind::Deviation,
            "first" => FunctionKind::First,
            "last" => FunctionKind::Last,
            "median" => FunctionKind::Percentile(50.0),
            other => match other.strip_prefix('p').map(str::parse) {
                Some(Ok(percent)) if (0.0..=100.0).contains(&percent) => FunctionKind::Percentile(percent),
                _ => return Err(FunctionError { name: name.chars().take(40).collect() }),
            },
        };
        Ok(Self { name: Text::new(name), kind })
    }
}

impl<'de> serde::Deserialize<'de> for Function {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Function {
    fn schema_name() -> Cow<'static, str> {
        "AggregateFunction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(count|sum|mean|avg|min|max|stddev|first|last|median|p[0-9]+(\.[0-9]+)?)$",
            "examples": ["count", "sum", "mean", "min", "max", "stddev", "first", "last", "median", "p95"],
            "description": "count, sum, mean (or avg), min, max, stddev, first, last, median, or a percentile such as p95."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_read_by_name() {
        for (name, kind) in [
            ("avg", FunctionKind::Mean),
            ("median", FunctionKind::Percentile(50.0)),
            ("p99.9", FunctionKind::Percentile(99.9)),
        ] {
            assert_eq!(name.parse(), Ok(Function { name: Text::new(name), kind }));
        }
        for name in ["", "p", "p101", "p-1", "pNaN", "mode", "Mean"] {
            assert!(name.parse::<Function>().is_err(), "{name}");
        }
    }
}
