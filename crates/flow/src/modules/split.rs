//! `split`: one message for each element of an array.

use message::value::Path;
use message::{Now, Value, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::MessagePart;
use crate::build::{BuildContext, BuildError};
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};

/// Makes one message for each element of an array; everything else in the message is in each of them.
///
/// **Message in** with an array at `source`. **Message out** for each element, in order: the message with the element at
/// `target`, and its number from 0 on at `index`, if that is set. An empty array gives no message.
///
/// **Failure** the message has no `source`, or it is no array; it has more than 100,000 elements; `target` or `index` cannot
/// be set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// The property that holds the array, or `message` if the message is one.
    source: MessagePart,
    /// The property that takes the element; `source` when not set.
    target: Option<MessagePart>,
    /// The property that takes the number of the element, if one is wanted.
    #[schemars(with = "Option<String>")]
    index: Option<Path>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { source: MessagePart::data(), target: None, index: None }
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct Split;

impl Module for Split {
    const TYPE: &'static str = "split";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Makes one message for each element of an array.";
    const EXAMPLE: &'static str = r#"source = "data.readings"
target = "data"
index = "number"
"#;
    type Settings = Settings;

    fn build(settings: Settings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let Settings { source, target, index } = settings;
        let target = target.unwrap_or_else(|| source.clone());
        Ok(Built::Step(Box::new(Splitter { source, target, index })))
    }
}

struct Splitter {
    source: MessagePart,
    target: MessagePart,
    index: Option<Path>,
}

impl Step for Splitter {
    fn process(&mut self, _: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        match self.messages(&itinerary.message) {
            Ok(messages) => {
                for message in messages {
                    out.emit(itinerary.with_message(message));
                }
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }
}

impl Splitter {
    /// All messages, or none if one of them cannot be made.
    fn messages(&self, message: &Value) -> Result<Vec<Value>, String> {
        let source = &self.source;
        let array = match source.read(message) {
            Some(Value::Array(array)) => array.clone(),
            Some(other) => return Err(format!("`{source}` is a value of type {}, not an array", other.type_name())),
            None => return Err(format!("the message has no `{source}`")),
        };
        if array.len() > limits::SPLIT_ELEMENTS_MAX {
            let most = limits::SPLIT_ELEMENTS_MAX;
            return Err(format!("`{source}` has {} elements: at most {most} are allowed", array.len()));
        }
        // Without the array, so that not every message carries all the elements.
        let mut rest = message.clone();
        source.write(&mut rest, Value::Null).map_err(|error| error.to_string())?;
        if self.target != *source
            && let MessagePart::Property(path) = source
        {
            rest.remove(path);
        }
        let mut messages = Vec::with_capacity(array.len());
        for (number, element) in array.iter().enumerate() {
            let mut message = rest.clone();
            self.target.write(&mut message, element.clone()).map_err(|error| error.to_string())?;
            if let Some(index) = &self.index {
                message.set(index, Value::from(number)).map_err(|error| error.to_string())?;
            }
            messages.push(message);
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{World, itinerary_with_receipt, now, try_message};

    const KIND: &dyn ModuleKind = &Of::<Split>::new();

    fn check(toml: &str, message: &str, expect: Result<&[&str], &str>) {
        let mut step = World::new().step(KIND, toml);
        match (try_message(&mut *step, message), expect) {
            (Ok(passed), Ok(messages)) => {
                assert_eq!(passed, messages.iter().map(|message| format!("0: {message}")).collect::<Vec<_>>());
            }
            (Err(what), Err(part)) => assert!(what.contains(part), "{what}"),
            (found, _) => panic!("{toml}: {found:?}"),
        }
    }

    #[test]
    fn each_element_goes_on_with_the_rest_of_the_message() {
        check("", r#"{"data":[1,"x"],"a":0}"#, Ok(&[r#"{"data":1,"a":0}"#, r#"{"data":"x","a":0}"#]));
        check("source = 'd.r'\ntarget = 'd'\nindex = 'n'", r#"{"d":{"r":[5,6]}}"#, {
            Ok(&[r#"{"d":5,"n":0}"#, r#"{"d":6,"n":1}"#])
        });
        check("source = 'message'", "[1,2]", Ok(&["1", "2"]));
        check("", r#"{"data":[]}"#, Ok(&[]));
    }

    #[test]
    fn what_is_no_array_fails_and_nothing_goes_on_halfway() {
        check("", r#"{"data":{}}"#, Err("`data` is a value of type object, not an array"));
        check("", "7", Err("the message has no `data`"));
        check("source = 'message'\nindex = 'n'", "[{},1]", Err("cannot set `n`"));
        let many = format!("[{}1]", "1,".repeat(limits::SPLIT_ELEMENTS_MAX));
        check("source = 'message'", &many, Err("at most 100000"));
    }

    #[test]
    fn the_source_is_told_when_the_last_of_them_has_ended() {
        let mut step = World::new().step(KIND, "source = 'message'");
        let (itinerary, ended) = itinerary_with_receipt("[1,2]");
        let mut out = Emitter::default();
        step.process(now(0), itinerary, &mut out).unwrap();
        let mut branches: Vec<_> = out.drain().collect();
        branches.pop();
        assert!(ended.lock().unwrap().is_empty());
        branches.pop();
        assert_eq!(ended.lock().unwrap().len(), 1);
    }
}
