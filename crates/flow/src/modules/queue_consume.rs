//! `queue-consume`: begins an itinerary for every message of a queue, and takes it out when the itinerary has ended.

use message::{Object, Publication, QueueName, Text, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::backlog::{MOST_IN_FLIGHT, in_flight_max};
use super::consumer::{Consumed, Consumer};
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Module};
use crate::run::Receipt;
use crate::services::QueueMessage;

/// Takes messages from a queue of the node. A message leaves the queue when every branch of its itinerary has come to its
/// end; when one failed for good, or the flow broke down, the message comes again, to this flow or to another consumer,
/// until the queue counts it among the dead.
///
/// **Message out** `{ data, delivery, topic, properties }`: the payload, which delivery of the message this is (from 1), the topic
/// that it was published to, and the MQTT 5 properties as those of `mqtt-sub-broker`.
///
/// **Failure** A payload that is not in the expected format still begins an itinerary: with
/// `headwater: { success: false, message }` and the payload in `data` as text, or as bytes when it is no text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The name of the queue.
    #[schemars(with = "String")]
    queue: QueueName,
    /// How the payload is read.
    #[serde(default)]
    format: PayloadFormat,
    /// Messages that may be under way at a time, 1 to 10,000. Their time for that is the queue's `ack_timeout_s`.
    #[serde(default = "in_flight_max")]
    #[schemars(range(min = 1, max = 10_000))]
    in_flight_max: u32,
}

/// The module type.
#[derive(Debug)]
pub(super) struct QueueConsume;

impl Module for QueueConsume {
    const TYPE: &'static str = "queue-consume";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Takes messages from a queue of the node.";
    const EXAMPLE: &'static str = "queue = \"orders\"\n";
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if !(1..=MOST_IN_FLIGHT).contains(&settings.in_flight_max) {
            checker.problem("in_flight_max", "out of range", format!("write a number from 1 to {MOST_IN_FLIGHT}"));
        }
        checker.claim(Claim::Subscribe { filter: Text::from(format!("$queue/{}", settings.queue)), durable: false });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let in_flight_max = settings.in_flight_max.clamp(1, MOST_IN_FLIGHT) as usize;
        let inbox = context.services.queues.consume(&settings.queue, in_flight_max).map_err(BuildError::new)?;
        let address = format!("$queue/{}", settings.queue);
        Ok(Built::Inbound(Box::new(Consumer::new(inbox, address, settings.format, context))))
    }
}

impl Consumed for QueueMessage {
    fn publication(&self) -> &Publication {
        &self.publication
    }

    fn describe(&self, object: &mut Object) {
        object.insert("delivery", Value::from(self.delivery));
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
    use message::{Bytes, QoS, TopicName};

    const KIND: &dyn ModuleKind = &Of::<QueueConsume>::new();

    fn send(world: &World, payload: &'static [u8]) {
        let topic = TopicName::parse("shop/1").unwrap();
        world.queues.send(Publication::new(topic, Bytes::from_static(payload), QoS::AtLeastOnce, now(0).wall));
    }

    #[test]
    fn a_message_begins_an_itinerary_whose_end_settles_it() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "queue = 'orders'");
        (0..2).for_each(|_| send(&world, b"1"));
        let mut begun = arrivals(&mut *inbound, now(0), 10);
        let expect = r#"{"data":1,"delivery":2,"topic":"shop/1","properties":{}}"#;
        assert_eq!(begun[0].message.to_json(), expect);
        assert_eq!(&*begun[0].source().address, "$queue/orders");
        assert!(world.queues.settled.lock().unwrap().is_empty());
        drop(begun.remove(0));
        begun[0].receipt().unwrap().fail();
        drop(begun);
        assert_eq!(*world.queues.settled.lock().unwrap(), [Outcome::Done, Outcome::Failed]);
    }

    #[test]
    fn a_payload_that_cannot_be_read_begins_as_failed_and_is_kept() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "queue = 'orders'");
        send(&world, b"{");
        let begun = arrived(&mut *inbound, now(0), 10);
        assert!(begun[0].starts_with(r#"{"data":"{","#) && begun[0].contains(r#""success":false"#), "{begun:?}");
    }

    #[test]
    fn closing_lets_come_what_is_there() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "queue = 'orders'");
        send(&world, b"1");
        inbound.close();
        assert!(*world.queues.closed.lock().unwrap() && !inbound.is_drained());
        assert_eq!(arrivals(&mut *inbound, now(0), 10).len(), 1);
        assert!(inbound.is_drained());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let found = harness::check(KIND, "queue = 'orders'\nin_flight_max = 0");
        assert!(found.lines()[0].contains("out of range"), "{:?}", found.lines());
        assert_eq!(found.claims(), [&Claim::Subscribe { filter: Text::new("$queue/orders"), durable: false }]);
        let error = World::new().try_build(KIND, "queue = 'absent'").map(|_| ()).unwrap_err();
        assert!(error.contains("no queue `absent`"), "{error}");
    }
}
