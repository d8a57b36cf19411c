//! The value that a flow works on. Cloning takes the same short time at any size, because containers are shared;
//! a change copies only the containers on its path. Texts up to 23 bytes stand inside the value.

mod array;
mod from;
mod json;
mod object;
mod path;

pub use array::Array;
pub use json::{JsonError, parse_json};
pub use object::Object;
pub use path::{Path, PathError, SetError};

use std::sync::Arc;

use bytes::Bytes;

use crate::Timestamp;

/// An immutable text that is cheap to clone.
pub type Text = smol_str::SmolStr;

/// A structured value, a superset of JSON.
///
/// Numbers keep how they were written: `Int` for whole numbers that fit, `UInt` only for those above `i64::MAX`,
/// `Float` for all others. Readers that do not care use [`Value::as_f64`].
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// Only above `i64::MAX`; smaller ones are `Int`.
    UInt(u64),
    Float(f64),
    /// JSON: a text in RFC 3339.
    Time(Timestamp),
    Text(Text),
    /// JSON: a text in base64.
    Bytes(Arc<Bytes>),
    Array(Array),
    Object(Object),
}

impl Value {
    /// The kind of value, in the words that error messages use.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::UInt(_) | Self::Float(_) => "number",
            Self::Time(_) => "time",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Any number as a float; precision above 2^53 is lost, as in JavaScript.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number, also when it is written as a float without fraction.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            #[expect(clippy::cast_possible_truncation, reason = "the guard holds it within 2^53")]
            Self::Float(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => Some(*value as i64),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The member `key` of an object; `None` for anything else.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The value as a text for templates: a text as it is, null as nothing, containers as JSON.
    pub fn to_text(&self) -> Text {
        match self {
            Self::Null => Text::default(),
            Self::Text(text) => text.clone(),
            Self::Time(time) => Text::from(time.to_string()),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
            other => Text::from(other.to_json()),
        }
    }

    /// Bytes that this value holds in memory, roughly and without counting shared parts once: for limits.
    pub fn weight_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) if text.is_heap_allocated() => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                Self::Array(array) => array.iter().map(Self::weight_bytes).sum(),
                Self::Object(object) => object.iter().map(|(key, value)| key.len() + 24 + value.weight_bytes()).sum(),
                _ => 0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
    }

    #[test]
    fn a_change_leaves_the_clone_as_it_was() {
        let before = parse_json(br#"{"a":{"b":[1,2]},"c":3}"#).unwrap();
        let mut after = before.clone();
        after.set(&"a.b[1]".parse().unwrap(), Value::from("x")).unwrap();
        assert_eq!(before.to_json(), r#"{"a":{"b":[1,2]},"c":3}"#);
        assert_eq!(after.to_json(), r#"{"a":{"b":[1,"x"]},"c":3}"#);
    }

    #[test]
    fn whole_floats_count_as_integers() {
        assert_eq!(Value::Float(3.0).as_i64(), Some(3));
        assert_eq!(Value::Float(3.5).as_i64(), None);
        assert_eq!(Value::Float(1e300).as_i64(), None);
        assert_eq!(Value::UInt(u64::MAX).as_i64(), None);
    }

    #[test]
    fn templates_see_plain_text() {
        for (value, text) in [
            (Value::Null, ""),
            (Value::from("x"), "x"),
            (Value::from(1.5), "1.5"),
            (Value::from(7), "7"),
            (Value::from(true), "true"),
            (Value::from(vec![Value::from(1)]), "[1]"),
        ] {
            assert_eq!(value.to_text(), text);
        }
    }
}
