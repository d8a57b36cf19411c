//! `stream-read`: begins an itinerary for every message of a stream, from a place on, or on from where it was.

use message::{ConsumerName, Object, Publication, StreamName, StreamPosition, Text, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::backlog::{MOST_IN_FLIGHT, in_flight_max};
use super::consumer::{Consumed, Consumer};
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Module};
use crate::run::Receipt;
use crate::services::{ReadRequest, StreamMessage};

/// Reads messages from a stream of the node, which keeps them for others, too.
///
/// Without `consumer` every version of the flow, and every start, begins anew at `from`. With `consumer` it goes on where the
/// consumer of that name was, also after a crash, and `from` counts only while the stream knows none of that name. A message
/// counts as read when every branch of its itinerary has come to its end; when one failed for good, or the flow broke down,
/// it comes again after a second, as often as it takes. Those who use the same consumer, flows or MQTT clients, share its
/// messages: each goes to one of them.
///
/// **Message out** `{ data, offset, time, topic, properties }`: the payload, its offset in the stream, when it was appended,
/// the topic that it was published to, and the MQTT 5 properties as those of `mqtt-sub-broker`. Where messages before it are
/// gone, as the stream keeps only so much, `missing` says how many.
///
/// **Failure** A payload that is not in the expected format still begins an itinerary: with
/// `headwater: { success: false, message }` and the payload in `data` as text, or as bytes when it is no text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The name of the stream.
    #[schemars(with = "String")]
    stream: StreamName,
    /// Where to begin: `earliest`, `latest`, which is behind all that is there, an offset as in `"42"`, or a time as in
    /// `time:2026-01-31T12:00:00Z`.
    #[serde(default = "latest")]
    from: String,
    /// The name of the consumer whose reading this goes on with.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    consumer: Option<ConsumerName>,
    /// How the payload is read.
    #[serde(default)]
    format: PayloadFormat,
    /// Messages that may be under way at a time, 1 to 10,000.
    #[serde(default = "in_flight_max")]
    #[schemars(range(min = 1, max = 10_000))]
    in_flight_max: u32,
}

fn latest() -> String {
    StreamPosition::Latest.to_string()
}

/// The module type.
#[derive(Debug)]
pub(super) struct StreamRead;

impl Module for StreamRead {
    const TYPE: &'static str = "stream-read";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Reads messages from a stream of the node.";
    const EXAMPLE: &'static str = "stream = \"readings\"\nfrom = \"earliest\"\nconsumer = \"report\"\n";
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Err(error) = settings.from.parse::<StreamPosition>() {
            checker.problem("from", error, "choose one of these");
        }
        if !(1..=MOST_IN_FLIGHT).contains(&settings.in_flight_max) {
            checker.problem("in_flight_max", "out of range", format!("write a number from 1 to {MOST_IN_FLIGHT}"));
        }
        checker.claim(Claim::Subscribe { filter: Text::from(address(&settings.stream)), durable: false });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let request = ReadRequest {
            from: settings.from.parse().map_err(BuildError::new)?,
            consumer: settings.consumer,
            in_flight_max: settings.in_flight_max.clamp(1, MOST_IN_FLIGHT) as usize,
        };
        let inbox = context.services.streams.read(&settings.stream, request).map_err(BuildError::new)?;
        let address = address(&settings.stream);
        Ok(Built::Inbound(Box::new(Consumer::new(inbox, address, settings.format, context))))
    }
}

fn address(stream: &StreamName) -> String {
    format!("$stream/{stream}")
}

impl Consumed for StreamMessage {
    fn publication(&self) -> &Publication {
        &self.publication
    }

    fn describe(&self, object: &mut Object) {
        object.insert("offset", Value::from(self.offset));
        object.insert("time", Value::from(self.appended_at));
        if self.missing > 0 {
            object.insert("missing", Value::from(self.missing));
        }
    }

    fn into_receipt(self) -> Receipt {
        self.receipt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, arrivals, arrived, now};
    use crate::run::Outcome;

    const KIND: &dyn ModuleKind = &Of::<StreamRead>::new();

    #[test]
    fn a_message_begins_an_itinerary_whose_end_settles_it() {
        let world = World::new();
        let mut inbound =
            world.inbound(KIND, "stream = 'readings'\nfrom = '7'\nconsumer = 'report'\nin_flight_max = 3");
        let asked = world.streams.asked.lock().unwrap().pop().unwrap();
        assert_eq!((asked.from, asked.in_flight_max), (StreamPosition::Offset(7), 3));
        assert_eq!(asked.consumer.unwrap().as_str(), "report");
        for (offset, missing) in [(41, 0), (43, 1)] {
            world.streams.send(offset, missing, b"1");
        }
        let mut begun = arrivals(&mut *inbound, now(0), 10);
        let rest = r#""time":"2026-01-31T08:00:00Z","topic":"plant/1","properties":{}"#;
        assert_eq!(begun[0].message.to_json(), format!(r#"{{"data":1,"offset":41,{rest}}}"#));
        assert_eq!(
            begun[1].message.to_json(),
            format!(
                r#"{{"data":1,"offset":43,"time":"2026-01-31T08:00:00Z","missing":1,"topic":"plant/1","properties":{{}}}}"#
            )
        );
        assert_eq!(&*begun[0].source().address, "$stream/readings");
        assert!(world.streams.settled.lock().unwrap().is_empty());
        drop(begun.remove(0));
        begun[0].receipt().unwrap().fail();
        drop(begun);
        assert_eq!(*world.streams.settled.lock().unwrap(), [Outcome::Done, Outcome::Failed]);
    }

    #[test]
    fn a_payload_that_cannot_be_read_begins_as_failed_and_is_kept() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "stream = 'readings'");
        world.streams.send(1, 0, b"{");
        let begun = arrived(&mut *inbound, now(0), 10);
        assert!(begun[0].starts_with(r#"{"data":"{","#) && begun[0].contains(r#""success":false"#), "{begun:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let found = harness::check(KIND, "stream = 'readings'\nin_flight_max = 0\nfrom = 'noon'");
        assert!(found.lines()[0].contains("`noon` is no place in a stream"), "{:?}", found.lines());
        assert!(found.lines()[1].contains("out of range"), "{:?}", found.lines());
        let claim = Claim::Subscribe { filter: Text::new("$stream/readings"), durable: false };
        assert_eq!(found.claims(), [&claim]);
        let error = World::new().try_build(KIND, "stream = 'absent'").map(|_| ()).unwrap_err();
        assert!(error.contains("no stream `absent`"), "{error}");
    }
}
