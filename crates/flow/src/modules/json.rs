//! `json`: text into a value, a value into text.

use message::Value;
use message::value::parse_json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conversion::Conversion;
use super::message_part::MessagePart;
use crate::build::{BuildContext, BuildError};
use crate::module::{Built, Direction, Module};

/// Reads JSON text into a value, or writes a value as JSON text.
///
/// **Message in** with text or bytes at `source` to be read, or any value to be written. **Message out** the same with the
/// result at `target`.
///
/// **Failure** the message has no `source`; what is to be read is no text, or no JSON; `target` cannot be set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Whether to read or to write.
    action: Action,
    /// The property that is read or written, or `message` for the whole message.
    source: MessagePart,
    /// The property that takes the result; `source` when not set.
    target: Option<MessagePart>,
    /// Whether the text is broken into lines for people to read.
    pretty: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { action: Action::Parse, source: MessagePart::data(), target: None, pretty: false }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Text becomes a value.
    Parse,
    /// A value becomes text.
    Format,
}

/// The module type.
#[derive(Debug)]
pub(super) struct Json;

impl Module for Json {
    const TYPE: &'static str = "json";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Reads or writes JSON text.";
    const EXAMPLE: &'static str = r#"action = "parse"
source = "data"
"#;
    type Settings = Settings;

    fn build(settings: Settings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let Settings { action, source, target, pretty } = settings;
        let target = target.unwrap_or_else(|| source.clone());
        let convert = move |value: &Value| match (action, value) {
            (Action::Parse, Value::Text(text)) => parse_json(text.as_bytes()).map_err(|error| format!("is {error}")),
            (Action::Parse, Value::Bytes(bytes)) => parse_json(bytes).map_err(|error| format!("is {error}")),
            (Action::Parse, other) => {
                Err(format!("is a value of type {} already: only text or bytes can be read", other.type_name()))
            }
            (Action::Format, value) if pretty => Ok(Value::from(value.to_json_pretty())),
            (Action::Format, value) => Ok(Value::from(value.to_json())),
        };
        Ok(Built::Step(Box::new(Conversion { source, target, convert })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{World, itinerary_of, now, process, try_message};

    const KIND: &dyn ModuleKind = &Of::<Json>::new();

    #[test]
    fn text_becomes_a_value_and_back() {
        let world = World::new();
        let mut parse = world.step(KIND, "");
        assert_eq!(try_message(&mut *parse, r#"{"data":"{\"a\":1}"}"#).unwrap(), [r#"0: {"data":{"a":1}}"#]);
        let bytes = itinerary_of(Value::Object(
            [("data", Value::from(message::Bytes::from_static(b"[1]")))].into_iter().collect(),
        ));
        assert_eq!(process(&mut *parse, now(0), bytes).unwrap(), [r#"0: {"data":[1]}"#]);
        let mut format = world.step(KIND, "action = 'format'\ntarget = 'text'");
        assert_eq!(try_message(&mut *format, r#"{"data":[1]}"#).unwrap(), [r#"0: {"data":[1],"text":"[1]"}"#]);
        let mut pretty = world.step(KIND, "action = 'format'\nsource = 'message'\npretty = true");
        assert_eq!(try_message(&mut *pretty, "[1]").unwrap(), [r#"0: "[\n  1\n]""#]);
    }

    #[test]
    fn what_is_no_json_text_fails() {
        let mut parse = World::new().step(KIND, "");
        for (message, what) in [
            (r#"{"data":"{"}"#, "`data` is not valid JSON at line 1, column 1"),
            (r#"{"data":{}}"#, "`data` is a value of type object already"),
            ("{}", "the message has no `data`"),
        ] {
            assert!(try_message(&mut *parse, message).unwrap_err().contains(what), "{message}");
        }
    }
}
