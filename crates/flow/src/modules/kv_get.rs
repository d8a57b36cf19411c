//! `kv-get`: reads a value from a key/value store into the message.

use message::{Now, StoreName, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message_part::MessagePart;
use super::store_access::StoreKey;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};
use crate::template::Template;

/// Reads a value from a key/value store into the message, as in enriching every reading with its machine's data.
///
/// **Message in** anything. **Message out** the same with the value at `target`.
///
/// When the key is missing, `target` takes `default` if one is set; else, with `on_missing = "continue"`, null.
///
/// **Failure** the key is missing, there is no `default` and `on_missing = "fail"`; the key is empty; `target` cannot be set
/// because the message, or what stands on the way, is no object; the store cannot be read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The name of the store.
    #[schemars(with = "String")]
    store: StoreName,
    /// Whether the store is on disk and open to every flow of the node.
    #[serde(default)]
    persistent: bool,
    /// The key, which may take parts from the message, as in `{data.machine}`.
    key: Template,
    /// The property that takes the value, or `message` to have it replace the whole message.
    #[serde(default = "value")]
    target: MessagePart,
    /// What stands for a missing value.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    default: Option<Value>,
    /// What happens when the key is missing and there is no `default`.
    #[serde(default)]
    on_missing: OnMissing,
}

fn value() -> MessagePart {
    MessagePart::member("value")
}

/// What happens when a key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnMissing {
    /// The target becomes null and the message goes on.
    #[default]
    Continue,
    /// The message goes on as failed.
    Fail,
}

/// The module type.
#[derive(Debug)]
pub(super) struct KvGet;

impl Module for KvGet {
    const TYPE: &'static str = "kv-get";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Reads a value from a key/value store.";
    const EXAMPLE: &'static str = r#"store = "machines"
persistent = true
key = "{data.machine}"
target = "machine"
on_missing = "fail"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if settings.default.is_some() && settings.on_missing == OnMissing::Fail {
            checker.problem("on_missing", "with a `default` nothing is ever missing", "take one of the two out");
        }
        let (store, persistent) = (settings.store.clone(), settings.persistent);
        checker.claim(Claim::Store { store, persistent, writes: false });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let missing = match (settings.default, settings.on_missing) {
            (Some(default), _) => Some(default),
            (None, OnMissing::Continue) => Some(Value::Null),
            (None, OnMissing::Fail) => None,
        };
        Ok(Built::Step(Box::new(Getting {
            key: StoreKey::open(&settings.store, settings.persistent, settings.key, context)?,
            name: settings.store,
            target: settings.target,
            missing,
        })))
    }
}

struct Getting {
    key: StoreKey,
    name: StoreName,
    target: MessagePart,
    /// What stands for a missing value; `None` makes it a failure.
    missing: Option<Value>,
}

impl Step for Getting {
    fn process(&mut self, now: Now, mut itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        let written = self
            .value(now, &itinerary)
            .and_then(|value| self.target.write(&mut itinerary.message, value).map_err(|error| error.to_string()));
        match written {
            Ok(()) => {
                out.emit(itinerary);
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }
}

impl Getting {
    fn value(&self, now: Now, itinerary: &Itinerary) -> Result<Value, String> {
        let key = self.key.of(itinerary)?;
        let found = self.key.store.get(now, &key).map_err(|error| error.to_string())?;
        match found.or_else(|| self.missing.clone()) {
            Some(value) => Ok(value),
            None => Err(format!("store `{}` has no key `{key}`: set `default`, or fill the store first", self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, now, try_message};

    const KIND: &dyn ModuleKind = &Of::<KvGet>::new();

    /// Reads the message `{"id":…}` with key `a` holding 5.
    fn check(toml: &str, id: &str, expect: Result<&str, &str>) {
        let world = World::new();
        let store = world.services.stores.open(&StoreName::parse("s").unwrap(), true).unwrap();
        drop(store.set(now(0), "a", Value::from(5), None));
        let mut step = world.step(KIND, &format!("store = 's'\npersistent = true\nkey = '{{id}}'\n{toml}"));
        match (try_message(&mut *step, &format!(r#"{{"id":"{id}"}}"#)), expect) {
            (Ok(passed), Ok(message)) => assert_eq!(passed, [format!("0: {message}")]),
            (Err(what), Err(part)) => assert!(what.contains(part), "{what}"),
            (found, _) => panic!("{toml}: {found:?}"),
        }
    }

    #[test]
    fn the_value_or_what_stands_for_it_is_put_into_the_message() {
        check("", "a", Ok(r#"{"id":"a","value":5}"#));
        check("target = 'x.y'", "a", Ok(r#"{"id":"a","x":{"y":5}}"#));
        check("target = 'message'", "a", Ok("5"));
        check("", "b", Ok(r#"{"id":"b","value":null}"#));
        check("default = [1]", "b", Ok(r#"{"id":"b","value":[1]}"#));
        check("on_missing = 'fail'", "b", Err("store `s` has no key `b`"));
        check("target = 'id.x'", "a", Err("cannot set `id.x`"));
        check("", "", Err("the key is empty"));
    }

    #[test]
    fn a_store_in_memory_is_another_one() {
        let world = World::new();
        let store = world.services.stores.open(&StoreName::parse("s").unwrap(), true).unwrap();
        drop(store.set(now(0), "a", Value::from(5), None));
        let mut step = world.step(KIND, "store = 's'\nkey = 'a'");
        assert_eq!(try_message(&mut *step, "{}").unwrap(), [r#"0: {"value":null}"#]);
    }

    #[test]
    fn it_claims_to_read_the_store() {
        let found = harness::check(KIND, "store = 's'\nkey = 'a'\ndefault = 1\non_missing = 'fail'");
        assert!(found.lines()[0].contains("nothing is ever missing"), "{:?}", found.lines());
        let store = StoreName::parse("s").unwrap();
        assert_eq!(found.claims(), [&Claim::Store { store, persistent: false, writes: false }]);
    }
}
