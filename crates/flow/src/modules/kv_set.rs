//! `kv-set`: writes a value into a key/value store.

use message::{Now, StoreName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::{MessagePart, outgoing};
use super::store_access::{StoreKey, StoreWork, write_step};
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Module};
use crate::run::Itinerary;
use crate::services::Stored;
use crate::span::Span;
use crate::template::Template;

/// Writes a value into a key/value store. A store is made by naming it. In memory it belongs to this flow alone; a persistent
/// one is on disk and open to every flow of the node.
///
/// **Message in** anything. The value is the property `source`; when `source` is not set, it is the property `data` if the
/// message has one, else the whole message, without the node's own `headwater`.
///
/// **Message out** the message as it came, once the value is stored: for a persistent store, once it is on disk.
///
/// **Failure** the message has no property `source`; the key is empty or too long; the store is full or cannot be written.
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
    /// The property to store, or `message` for the whole message. When not set: `data` if the message has it, else the whole
    /// message.
    #[serde(default)]
    source: Option<MessagePart>,
    /// After which time the value is gone. Without it, never.
    #[serde(default)]
    ttl: Option<Span>,
}

/// The module type.
#[derive(Debug)]
pub(super) struct KvSet;

impl Module for KvSet {
    const TYPE: &'static str = "kv-set";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Writes a value into a key/value store.";
    const EXAMPLE: &'static str = r#"store = "machines"
persistent = true
key = "{data.machine}"
source = "data"
ttl = "1d"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Some(ttl) = settings.ttl {
            ttl.check("ttl", Span::from_millis(1), Span::MAX, checker);
        }
        let (store, persistent) = (settings.store.clone(), settings.persistent);
        checker.claim(Claim::Store { store, persistent, writes: true });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let key = StoreKey::open(&settings.store, settings.persistent, settings.key, context)?;
        let ttl = settings.ttl.map(Span::as_duration);
        Ok(write_step(Setting { key, source: settings.source, ttl }, settings.persistent))
    }
}

struct Setting {
    key: StoreKey,
    source: Option<MessagePart>,
    ttl: Option<std::time::Duration>,
}

impl StoreWork for Setting {
    fn write(&self, now: Now, itinerary: &Itinerary) -> Result<Stored, String> {
        let key = self.key.of(itinerary)?;
        let source = || self.source.as_ref().map_or_else(|| "data".to_owned(), ToString::to_string);
        let value = outgoing(&itinerary.message, self.source.as_ref())
            .ok_or_else(|| format!("the message has no `{}` to store under `{key}`", source()))?
            .into_owned();
        Ok(self.key.store.set(now, &key, value, self.ttl))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, finish, itinerary, now, try_message};
    use message::Value;

    const KIND: &dyn ModuleKind = &Of::<KvSet>::new();

    fn stored(world: &World, persistent: bool, key: &str, millis: u64) -> Option<Value> {
        let store = world.services.stores.open(&StoreName::parse("s").unwrap(), persistent).unwrap();
        store.get(now(millis), key).unwrap()
    }

    #[test]
    fn a_store_in_memory_has_the_value_at_once_and_until_its_time_has_passed() {
        let world = World::new();
        let mut step = world.step(KIND, "store = 's'\nkey = '{data.id}'\nttl = '10s'");
        assert_eq!(try_message(&mut *step, r#"{"data":{"id":7}}"#).unwrap(), [r#"0: {"data":{"id":7}}"#]);
        assert_eq!(stored(&world, false, "7", 9_999).unwrap().to_json(), r#"{"id":7}"#);
        assert_eq!(stored(&world, false, "7", 10_000), None);
    }

    #[test]
    fn a_persistent_store_lets_the_message_go_on_only_when_it_is_written() {
        let world = World::new();
        let mut step = world.waiting(KIND, "store = 's'\npersistent = true\nkey = 'k'\nsource = 'message'");
        assert!(step.in_flight_max() > 1);
        let mut work = step.begin(now(0), itinerary("1"));
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(cx).is_pending());
        world.stores.gate.open();
        assert_eq!(finish(work).unwrap(), ["0: 1"]);
        assert_eq!(stored(&world, true, "k", 0), Some(Value::from(1)));
    }

    #[test]
    fn what_cannot_be_stored_fails() {
        let world = World::new();
        let mut step = world.step(KIND, "store = 's'\nkey = '{id}'\nsource = 'v'");
        assert!(try_message(&mut *step, r#"{"v":1}"#).unwrap_err().contains("the key is empty"));
        assert!(try_message(&mut *step, r#"{"id":1}"#).unwrap_err().contains("no `v` to store under `1`"));
        let long = format!(r#"{{"v":1,"id":"{}"}}"#, "x".repeat(2_000));
        assert!(try_message(&mut *step, &long).unwrap_err().contains("2000 bytes"));
    }

    #[test]
    fn it_claims_the_store() {
        let found = harness::check(KIND, "store = 's'\nkey = 'k'\nttl = '0s'");
        assert!(found.lines()[0].contains("out of range"), "{:?}", found.lines());
        let store = StoreName::parse("s").unwrap();
        assert_eq!(found.claims(), [&Claim::Store { store, persistent: false, writes: true }]);
    }
}
