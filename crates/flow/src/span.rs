//! Spans of time in settings, written as a person says them: `250ms`, `10s`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use message::{SpanError, SpanText, limits, parse_span};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::check::Checker;

/// A span of time: whole numbers, each with one of the units `ms`, `s`, `m`, `h`, `d`; several add up.
/// At most [`limits::SETTING_SPAN_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

impl Span {
    pub const MAX: Self = Self(limits::SETTING_SPAN_MAX);

    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Reports the setting at `path` when the span lies outside of `least` to `most`.
    pub fn check(self, path: &str, least: Self, most: Self, checker: &mut Checker<'_>) {
        if self < least || self > most {
            checker.problem(path, format!("`{self}` is out of range"), format!("write a span from {least} to {most}"));
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SpanText(self.0).fmt(f)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        parse_span(text).map(Self)
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "span",
            "pattern": r"^\s*([0-9]+(ms|s|m|h|d)\s*)+$",
            "description": "A span of time, as in `250ms`, `10s`, `5m`, `1h30m` or `1d`."
        })
    }
}
