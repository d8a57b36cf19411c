//! Spans of time in settings, written as a person says them: `250ms`, `10s`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use message::limits;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::check::Checker;

/// A span of time: whole numbers, each with one of the units `ms`, `s`, `m`, `h`, `d`; several add up.
/// At most [`limits::SETTING_SPAN_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

/// The units and their milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

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
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let unreadable = || SpanError::Unreadable { text: text.chars().take(40).collect() };
        let mut millis: u64 = 0;
        let mut rest = text.trim();
        loop {
            let digits = rest.find(|sign: char| !sign.is_ascii_digit()).ok_or_else(unreadable)?;
            let (number, from_unit) = rest.split_at(digits);
            let letters = from_unit.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(from_unit.len());
            let (unit, after) = from_unit.split_at(letters);
            let number: u64 = number.parse().map_err(|_| unreadable())?;
            let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unreadable)?;
            millis = millis.saturating_add(number.saturating_mul(*unit));
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
        }
        let span = Duration::from_millis(millis);
        if span > limits::SETTING_SPAN_MAX { Err(SpanError::TooLong { span: Self(span) }) } else { Ok(Self(span)) }
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

/// Why a text is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("`{text}` is no span of time: write whole numbers with units, as in `250ms`, `10s`, `5m`, `1h30m` or `1d`")]
    Unreadable { text: String },
    #[error("`{span}` is too long: at most {} are allowed", Span::MAX)]
    TooLong { span: Span },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("1h 30m", 5_400_000), ("1d", 86_400_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Span::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_by_name() {
        for text in ["", "10", "s", "10x", "1.5s", "-1s", "10s5", "99999999999999999999s", "1 0 s"] {
            let error = text.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("is no span of time"), "{text}: {error}");
        }
        assert!(matches!("999999d".parse::<Span>(), Err(SpanError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0_u64..300_000_000_000) {
            let span = Span::from_millis(millis);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
