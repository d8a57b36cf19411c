//! `kv-delete`: removes a key from a key/value store.

use message::{Now, StoreName, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::MessagePart;
use super::store_access::{StoreKey, StoreWork, write_step};
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Module};
use crate::run::Itinerary;
use crate::services::Stored;
use crate::template::Template;

/// Removes a key from a key/value store. A key that is not there is no failure.
///
/// **Message in** anything. **Message out** the same, once the key is gone (for a persistent store: also on disk); with
/// `target` set, that property tells whether the key was there.
///
/// **Failure** the key is empty or too long; the store cannot be written; `target` cannot be set.
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
    /// The property that takes whether the key was there, if one is wanted.
    #[serde(default)]
    target: Option<MessagePart>,
}

/// The module type.
#[derive(Debug)]
pub(super) struct KvDelete;

impl Module for KvDelete {
    const TYPE: &'static str = "kv-delete";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Removes a key from a key/value store.";
    const EXAMPLE: &'static str = r#"store = "machines"
persistent = true
key = "{data.machine}"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let (store, persistent) = (settings.store.clone(), settings.persistent);
        checker.claim(Claim::Store { store, persistent, writes: true });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let key = StoreKey::open(&settings.store, settings.persistent, settings.key, context)?;
        Ok(write_step(Deleting { key, target: settings.target }, settings.persistent))
    }
}

struct Deleting {
    key: StoreKey,
    target: Option<MessagePart>,
}

impl StoreWork for Deleting {
    fn write(&self, now: Now, itinerary: &Itinerary) -> Result<Stored, String> {
        Ok(self.key.store.delete(now, &self.key.of(itinerary)?))
    }

    fn tell(&self, existed: bool, itinerary: &mut Itinerary) -> Result<(), String> {
        match &self.target {
            None => Ok(()),
            Some(target) => {
                target.write(&mut itinerary.message, Value::Bool(existed)).map_err(|error| error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{World, finish, itinerary, now, try_message};

    const KIND: &dyn ModuleKind = &Of::<KvDelete>::new();

    #[test]
    fn a_key_is_removed_and_told_of() {
        let world = World::new();
        let store = world.services.stores.open(&StoreName::parse("s").unwrap(), false).unwrap();
        drop(store.set(now(0), "7", Value::from(5), None));
        let mut step = world.step(KIND, "store = 's'\nkey = '{id}'\ntarget = 'was'");
        assert_eq!(try_message(&mut *step, r#"{"id":7}"#).unwrap(), [r#"0: {"id":7,"was":true}"#]);
        assert_eq!(store.get(now(0), "7"), Ok(None));
        assert_eq!(try_message(&mut *step, r#"{"id":7}"#).unwrap(), [r#"0: {"id":7,"was":false}"#]);
        assert!(try_message(&mut *step, "{}").unwrap_err().contains("the key is empty"));
    }

    #[test]
    fn a_persistent_store_is_waited_for() {
        let world = World::new();
        world.stores.gate.open();
        let mut step = world.waiting(KIND, "store = 's'\npersistent = true\nkey = 'k'");
        assert_eq!(finish(step.begin(now(0), itinerary("1"))).unwrap(), ["0: 1"]);
    }
}
