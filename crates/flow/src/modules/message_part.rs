//! Which part of the message a module reads or writes: a property, or the whole of it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use message::value::{Path, PathError, SetError};
use message::{Text, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// A property by its path, or, written `message`, the message as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessagePart {
    Whole,
    Property(Path),
}

/// The member in which the engine tells how the last module did; never part of what leaves the flow.
const RESULT: &str = "headwater";

impl MessagePart {
    /// The property `name` at the top of the message.
    pub fn member(name: &'static str) -> Self {
        Self::Property(Path::member(name))
    }

    /// `data`, where inbound modules put what they bring.
    pub fn data() -> Self {
        Self::member("data")
    }

    pub fn read<'a>(&self, message: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Whole => Some(message),
            Self::Property(path) => message.at(path),
        }
    }

    /// Puts `new` in place; into a `null` message as its first property.
    pub fn write(&self, message: &mut Value, new: Value) -> Result<(), SetError> {
        match self {
            Self::Whole => {
                *message = new;
                Ok(())
            }
            Self::Property(path) => message.set(path, new),
        }
    }

    /// Refuses a target that would write into one of `members`, which the module itself puts into the message.
    pub fn check_beside(&self, members: &[Text]) -> Result<(), String> {
        match self {
            Self::Whole => Ok(()),
            Self::Property(path) => match path.first_member() {
                Some(first) if members.iter().any(|member| member == first) => {
                    Err(format!("`{first}` is taken by what the module itself puts into the message"))
                }
                _ => Value::Null.set(path, Value::Null).map_err(|error| error.to_string()),
            },
        }
    }
}

/// What leaves the flow: the part that was asked for; when none was, `data` if the message has it, else the whole message.
/// The node's own `headwater` is left out of a whole message. `None` when the part is missing.
pub fn outgoing<'a>(message: &'a Value, source: Option<&MessagePart>) -> Option<Cow<'a, Value>> {
    match source {
        Some(MessagePart::Property(path)) => message.at(path).map(Cow::Borrowed),
        None if message.get("data").is_some() => message.get("data").map(Cow::Borrowed),
        None | Some(MessagePart::Whole) => match message {
            Value::Object(object) if object.contains_key(RESULT) => {
                let mut object = object.clone();
                object.remove(RESULT);
                Some(Cow::Owned(Value::Object(object)))
            }
            _ => Some(Cow::Borrowed(message)),
        },
    }
}

impl fmt::Display for MessagePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("message"),
            Self::Property(path) => path.fmt(f),
        }
    }
}

impl FromStr for MessagePart {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match text.trim() {
            "message" => Ok(Self::Whole),
            text => text.strip_prefix("message.").unwrap_or(text).parse().map(Self::Property),
        }
    }
}

impl serde::Serialize for MessagePart {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MessagePart {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MessagePart {
    fn schema_name() -> Cow<'static, str> {
        "MessagePart".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "message-part",
            "description": "A property of the message, as in `data` or `data.readings[0]`, or `message` for the whole of it."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::value::parse_json;

    #[test]
    fn what_leaves_is_what_was_asked_for_else_data_else_everything() {
        for (message, source, leaves) in [
            (r#"{"data":1,"a":2}"#, None, Some("1")),
            (r#"{"a":2}"#, None, Some(r#"{"a":2}"#)),
            (r#"{"a":2,"headwater":{"success":true}}"#, None, Some(r#"{"a":2}"#)),
            (r#"{"data":1,"a":2,"headwater":{}}"#, Some("message"), Some(r#"{"data":1,"a":2}"#)),
            (r#"{"data":1,"a":2}"#, Some("message.a"), Some("2")),
            (r#"{"data":1}"#, Some("a"), None),
            ("7", None, Some("7")),
        ] {
            let message = parse_json(message.as_bytes()).unwrap();
            let source: Option<MessagePart> = source.map(|text| text.parse().unwrap());
            let found = outgoing(&message, source.as_ref()).map(|value| value.to_json());
            assert_eq!(found.as_deref(), leaves, "{message} {source:?}");
        }
    }

    #[test]
    fn parts_are_read_and_written_alike() {
        for text in ["message", "data", "data.a[0]"] {
            assert_eq!(text.parse::<MessagePart>().unwrap().to_string(), text);
        }
        assert!("a..b".parse::<MessagePart>().is_err());
    }
}
