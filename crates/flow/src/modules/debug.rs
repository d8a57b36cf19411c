//! `debug`: shows messages in the debug panel.

use message::{ModuleId, Now};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::MessagePart;
use crate::build::{BuildContext, BuildError};
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};
use crate::services::{LogLevel, Services};

/// Shows messages, or a part of each, in the debug panel. The panel keeps a bounded number of them.
///
/// **Message in** anything. **Message out** the message as it came.
///
/// **Failure** none: a part that is missing is shown as null.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// What is shown: a property, or `message` for the whole message.
    source: MessagePart,
    /// Whether it is written to the node's log as well.
    log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { source: MessagePart::Whole, log: false }
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct Debug;

impl Module for Debug {
    const TYPE: &'static str = "debug";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Shows messages in the debug panel.";
    const EXAMPLE: &'static str = "source = \"data\"\n";
    type Settings = Settings;

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        Ok(Built::Step(Box::new(Panel {
            services: context.services.clone(),
            module: context.module.clone(),
            source: settings.source,
            log: settings.log,
        })))
    }
}

struct Panel {
    services: Services,
    module: ModuleId,
    source: MessagePart,
    log: bool,
}

impl Step for Panel {
    fn process(&mut self, now: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        let shown = self.source.read(&itinerary.message).unwrap_or(&message::Value::Null);
        self.services.debug.show(now, &self.module, shown);
        if self.log {
            self.services.debug.log(now, &self.module, LogLevel::Info, &shown.to_json());
        }
        out.emit(itinerary);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{World, try_message};
    use message::Value;

    const KIND: &dyn ModuleKind = &Of::<Debug>::new();

    #[test]
    fn it_shows_and_passes_on() {
        let world = World::new();
        let mut step = world.step(KIND, "source = 'data.t'\nlog = true");
        assert_eq!(try_message(&mut *step, r#"{"data":{"t":1}}"#).unwrap(), [r#"0: {"data":{"t":1}}"#]);
        assert_eq!(try_message(&mut *step, "5").unwrap(), ["0: 5"]);
        assert_eq!(*world.debug.shown.lock().unwrap(), [Value::from(1), Value::Null]);
        assert_eq!(*world.debug.logged.lock().unwrap(), ["Info tried: 1", "Info tried: null"]);
    }
}
