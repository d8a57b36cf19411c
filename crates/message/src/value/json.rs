//! JSON in and out. What JSON lacks is written as text: times in RFC 3339, bytes in base64; NaN and infinity as null.

use std::fmt;

use base64::Engine as _;
use bytes::{BufMut as _, BytesMut};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Array, Object, Text, Value};
use crate::limits;

/// Why a text is no JSON that this node takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("JSON of {bytes} bytes: at most {} are allowed", limits::JSON_BYTES_MAX)]
    TooLarge { bytes: usize },
    #[error("JSON nested too deep at line {line}, column {column}: at most {} levels are allowed", limits::VALUE_DEPTH_MAX - 1)]
    TooDeep { line: usize, column: usize },
    #[error("not valid JSON at line {line}, column {column}: {what}")]
    Invalid { line: usize, column: usize, what: String },
}

/// Reads one JSON text. Of members with the same name the last one counts.
pub fn parse_json(text: &[u8]) -> Result<Value, JsonError> {
    if text.len() > limits::JSON_BYTES_MAX {
        return Err(JsonError::TooLarge { bytes: text.len() });
    }
    // serde_json refuses more than 127 levels, which is the limit of this crate too.
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        if what.starts_with("recursion limit") {
            JsonError::TooDeep { line, column }
        } else {
            JsonError::Invalid { line, column, what: what.to_owned() }
        }
    })
}

impl Value {
    /// The value as compact JSON.
    pub fn to_json(&self) -> String {
        String::from_utf8(self.to_json_bytes()).unwrap_or_default()
    }

    /// The value as compact JSON in UTF-8.
    pub fn to_json_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and every key is a text.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Writes the value as compact JSON in UTF-8 behind what `buffer` holds.
    pub fn write_json(&self, buffer: &mut BytesMut) {
        // Writing to memory cannot fail, and every key is a text.
        let _ = serde_json::to_writer(buffer.writer(), self);
    }

    /// The value as JSON for people to read.
    pub fn to_json_pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Time(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => {
                serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(value.as_ref()))
            }
            Self::Array(value) => value.serialize(serializer),
            Self::Object(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for Array {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for value in self {
            list.serialize_element(value)?;
        }
        list.end()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self {
            map.serialize_entry(key.as_str(), value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(object) => Ok(object),
            other => Err(serde::de::Error::custom(format_args!("expected an object, found {}", other.type_name()))),
        }
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(Text::new(value)))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(Text::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::from(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((key, value)) = map.next_entry::<Text, Value>()? {
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has no NaN", |float| float.is_finite()).prop_map(Value::Float),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 24, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,6}", inner), 0..24)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            prop_assert_eq!(parse_json(&value.to_json_bytes()).unwrap(), value);
        }

        #[test]
        fn any_bytes_are_taken_or_refused_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_json(&text);
        }
    }

    #[test]
    fn the_last_of_two_members_with_one_name_counts() {
        assert_eq!(parse_json(br#"{"a":1,"b":2,"a":3}"#).unwrap().to_json(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn numbers_keep_how_they_were_written() {
        assert_eq!(
            parse_json(b"[1,-1,18446744073709551615,1.0]").unwrap().to_json(),
            "[1,-1,18446744073709551615,1.0]"
        );
    }

    #[test]
    fn what_json_lacks_is_written_as_text() {
        let value = Value::from(vec![
            Value::from(Timestamp::from_millis(0)),
            Value::from(Bytes::from_static(b"hi")),
            Value::Float(f64::NAN),
        ]);
        assert_eq!(value.to_json(), r#"["1970-01-01T00:00:00Z","aGk=",null]"#);
    }

    #[test]
    fn too_deep_too_large_or_broken_json_is_refused_with_its_place() {
        let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(parse_json(&nested(limits::VALUE_DEPTH_MAX - 1)).is_ok());
        assert_eq!(parse_json(&nested(100_000)), Err(JsonError::TooDeep { line: 1, column: limits::VALUE_DEPTH_MAX }));
        assert_eq!(
            parse_json(b"{\n  \"a\": tru }").unwrap_err().to_string(),
            "not valid JSON at line 2, column 11: expected ident"
        );
        let large = vec![b' '; limits::JSON_BYTES_MAX + 1];
        assert_eq!(parse_json(&large), Err(JsonError::TooLarge { bytes: large.len() }));
    }
}
