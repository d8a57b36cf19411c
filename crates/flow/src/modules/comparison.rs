//! A property held against a value, as `filter` and `switch` have it in their settings.

use std::cmp::Ordering;

use message::{Timestamp, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message_part::MessagePart;
use crate::check::Checker;

/// A property held against a value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparison {
    /// The property, or `message` for the whole message.
    property: MessagePart,
    /// How the two are compared.
    operator: Operator,
    /// What the property is held against.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    value: Value,
}

/// How a property and a value are compared. Values of different types are not equal, and neither is the lesser; a time may
/// be written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Operator {
    /// Equal.
    #[serde(rename = "==")]
    Equal,
    /// Not equal; also when the property is missing.
    #[serde(rename = "!=")]
    Unequal,
    /// Less: numbers by size, texts in the order of their signs, times by age.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// A text holds a text, an array an element, an object a member of that name.
    Contains,
    /// A text begins with a text.
    StartsWith,
    /// A text ends with a text.
    EndsWith,
    /// Equal to one element of the array `value`.
    OneOf,
    /// There and not null.
    Exists,
    /// Not there, or null.
    Missing,
}

impl Comparison {
    pub(super) fn check(&self, path: &str, checker: &mut Checker<'_>) {
        let path = format!("{path}.value");
        match (self.operator, &self.value) {
            (Operator::Exists | Operator::Missing, Value::Null) => {}
            (Operator::Exists | Operator::Missing, _) => {
                checker.problem(&path, "the operator compares with nothing", "take `value` out");
            }
            (Operator::OneOf, Value::Array(_)) => {}
            (Operator::OneOf, other) => {
                let what = format!("a value of type {} is no list", other.type_name());
                checker.problem(&path, what, "write an array, as in `[1, 2]`");
            }
            (Operator::StartsWith | Operator::EndsWith, Value::Text(_)) => {}
            (Operator::StartsWith | Operator::EndsWith, other) => {
                let what = format!("a value of type {} is no text", other.type_name());
                checker.problem(&path, what, "write a text in quotes");
            }
            (Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual, value)
                if order(value, value).is_none() =>
            {
                let what = format!("a value of type {} has no order", value.type_name());
                checker.problem(&path, what, "write a number, a text or a time");
            }
            _ => {}
        }
    }

    /// Whether `message` passes.
    pub(super) fn passes(&self, message: &Value) -> bool {
        let value = &self.value;
        let found = self.property.read(message);
        let ordered = |wanted: fn(Ordering) -> bool| found.and_then(|found| order(found, value)).is_some_and(wanted);
        match self.operator {
            Operator::Equal => found.is_some_and(|found| equal(found, value)),
            Operator::Unequal => !found.is_some_and(|found| equal(found, value)),
            Operator::Less => ordered(Ordering::is_lt),
            Operator::LessOrEqual => ordered(Ordering::is_le),
            Operator::Greater => ordered(Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(Ordering::is_ge),
            Operator::Contains => found.is_some_and(|found| contains(found, value)),
            Operator::StartsWith => texts(found, value).is_some_and(|(text, part)| text.starts_with(part)),
            Operator::EndsWith => texts(found, value).is_some_and(|(text, part)| text.ends_with(part)),
            Operator::OneOf => found.is_some_and(|found| contains(value, found)),
            Operator::Exists => found.is_some_and(|found| !found.is_null()),
            Operator::Missing => found.is_none_or(Value::is_null),
        }
    }
}

fn texts<'a>(found: Option<&'a Value>, value: &'a Value) -> Option<(&'a str, &'a str)> {
    Some((found?.as_str()?, value.as_str()?))
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Text(text), Value::Text(part)) => text.contains(part.as_str()),
        (Value::Array(elements), part) => elements.iter().any(|element| equal(element, part)),
        (Value::Object(object), Value::Text(name)) => object.contains_key(name),
        _ => false,
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match order(one, other) {
        Some(ordering) => ordering.is_eq(),
        None => one == other,
    }
}

/// The order of two numbers, texts or times; `None` for all others.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
        (Value::UInt(one), Value::UInt(other)) => Some(one.cmp(other)),
        // A UInt is above every Int.
        (Value::Int(_), Value::UInt(_)) => Some(Ordering::Less),
        (Value::UInt(_), Value::Int(_)) => Some(Ordering::Greater),
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        (Value::Time(one), Value::Time(other)) => Some(one.cmp(other)),
        (Value::Time(one), Value::Text(other)) => Some(one.cmp(&other.parse::<Timestamp>().ok()?)),
        (Value::Text(one), Value::Time(other)) => Some(one.parse::<Timestamp>().ok()?.cmp(other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::value::parse_json;

    /// Whether `{"p": found}` passes; `found` empty for a missing property.
    fn passes(found: &str, operator: &str, value: &str) -> bool {
        let message = if found.is_empty() { "{}".to_owned() } else { format!(r#"{{"p":{found}}}"#) };
        let comparison = format!(r#"{{"property":"p","operator":"{operator}","value":{value}}}"#);
        let comparison: Comparison = serde_json::from_str(&comparison).unwrap();
        comparison.passes(&parse_json(message.as_bytes()).unwrap())
    }

    #[test]
    fn comparisons_hold_where_they_should() {
        for (found, operator, value) in [
            ("1", "==", "1.0"),
            ("18446744073709551615", ">", "1"),
            ("9007199254740993", "!=", "9007199254740992"),
            ("2", ">", "1.5"),
            ("2", ">=", "2"),
            ("-1", "<", "0"),
            ("\"a\"", "<", "\"b\""),
            ("\"a\"", "<=", "\"a\""),
            ("[1,{\"a\":2}]", "==", "[1,{\"a\":2}]"),
            ("", "!=", "1"),
            ("null", "==", "null"),
            ("\"abc\"", "contains", "\"b\""),
            ("[1,2.0]", "contains", "2"),
            ("{\"a\":1}", "contains", "\"a\""),
            ("\"abc\"", "starts-with", "\"ab\""),
            ("\"abc\"", "ends-with", "\"bc\""),
            ("2", "one-of", "[1,2]"),
            ("0", "exists", "null"),
            ("", "missing", "null"),
            ("null", "missing", "null"),
        ] {
            assert!(passes(found, operator, value), "{found} {operator} {value}");
        }
    }

    #[test]
    fn values_of_other_types_are_neither_equal_nor_ordered() {
        for (found, operator, value) in [
            ("\"1\"", "==", "1"),
            ("\"2\"", ">", "1"),
            ("null", "<", "1"),
            ("", "<", "1"),
            ("", "==", "null"),
            ("true", ">", "false"),
            ("1", "contains", "1"),
            ("1", "starts-with", "\"1\""),
            ("3", "one-of", "[1,2]"),
            ("null", "exists", "null"),
        ] {
            assert!(!passes(found, operator, value), "{found} {operator} {value}");
        }
    }

    #[test]
    fn times_are_compared_also_when_written_as_text() {
        let time: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
        let text = Value::from("2026-01-31T09:00:00+01:00");
        assert_eq!(order(&Value::Time(time), &text), Some(Ordering::Equal));
        assert_eq!(order(&Value::from("yesterday"), &Value::Time(time)), None);
    }
}
