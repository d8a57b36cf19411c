//! `queue-publish`: puts a message into a queue of the node.

use std::sync::Arc;

use bytes::BytesMut;
use bytestring::ByteString;
use indexmap::IndexMap;
use message::{Now, Publication, PublicationProperties, QoS, QueueName, Text, TopicName, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::{MessagePart, outgoing};
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Failure, Module, Waiting, WaitingStep};
use crate::run::Itinerary;
use crate::services::{Answer, Queues, ServiceError};
use crate::span::Span;
use crate::template::{Template, TemplateError};

/// Puts a message into a queue of the node, whose consumers work it off one by one.
///
/// **Message in** anything. What is put is the property `source`. When `source` is not set, it is the property `data` if the
/// message has one, else the whole message, without the node's own `headwater`.
///
/// **Message out** the message as it came, once the queue has it, as safe as the queue promises.
///
/// **Failure** the message has no property `source`; the payload cannot be written in the format; there is no such queue, or
/// it is full.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The name of the queue.
    #[schemars(with = "String")]
    queue: QueueName,
    /// The property to put, or `message` for the whole message. When not set: `data` if the message has it, else the whole
    /// message.
    #[serde(default)]
    source: Option<MessagePart>,
    /// How the payload is written.
    #[serde(default)]
    format: PayloadFormat,
    /// 0 to 9, which may come from the message; counts in a queue with `priority`.
    #[serde(default)]
    priority: Option<Template>,
    /// How long the message is held back, as in `30s`, which may come from the message.
    #[serde(default)]
    delay: Option<Template>,
    /// For how long the message may be delivered: `1s` or more. Without it, for ever.
    #[serde(default)]
    expiry: Option<Span>,
    /// MQTT 5 user properties by name. One that is empty once the parts are put in is left out.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, Template>")]
    user_properties: IndexMap<String, Template>,
}

/// The module type.
#[derive(Debug)]
pub(super) struct QueuePublish;

impl Module for QueuePublish {
    const TYPE: &'static str = "queue-publish";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Puts messages into a queue of the node.";
    const EXAMPLE: &'static str = "queue = \"orders\"\npriority = \"{data.urgency}\"\n";
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Some(expiry) = settings.expiry {
            expiry.check("expiry", Span::from_secs(1), Span::from_secs(u64::from(u32::MAX)), checker);
        }
        // Two are left for priority and delay.
        let most = limits::MQTT_USER_PROPERTIES_MAX - 2;
        if settings.user_properties.len() > most {
            checker.problem("user_properties", "too many user properties", format!("at most {most} are allowed"));
        }
        checker.claim(Claim::Publish { filter: Text::from(format!("$queue/{}", settings.queue)) });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let environment = &*context.services.environment;
        let ready = |template: Template| template.with_environment(environment);
        let named = [("priority", settings.priority), ("delay", settings.delay)];
        let named = named.into_iter().filter_map(|(name, template)| Some((name.to_owned(), template?)));
        let user_properties = settings.user_properties.into_iter().chain(named);
        let user_properties: Result<Vec<(ByteString, Template)>, TemplateError> =
            user_properties.map(|(name, template)| Ok((name.into(), ready(template)?))).collect();
        let topic = TopicName::parse(&format!("$queue/{}", settings.queue)).map_err(BuildError::new)?;
        Ok(Built::Waiting(Box::new(Putter {
            queues: Arc::clone(&context.services.queues),
            queue: settings.queue,
            topic,
            source: settings.source,
            format: settings.format,
            expiry_s: settings.expiry.map(|expiry| u32::try_from(expiry.as_duration().as_secs()).unwrap_or(u32::MAX)),
            user_properties: user_properties.map_err(BuildError::new)?,
            buffer: BytesMut::new(),
        })))
    }
}

struct Putter {
    queues: Arc<dyn Queues>,
    queue: QueueName,
    topic: TopicName,
    source: Option<MessagePart>,
    format: PayloadFormat,
    expiry_s: Option<u32>,
    user_properties: Vec<(ByteString, Template)>,
    buffer: BytesMut,
}

impl WaitingStep for Putter {
    fn begin(&mut self, now: Now, itinerary: Itinerary) -> Waiting {
        // Put here, not when the future is first looked at: so messages keep their order.
        let put = self.put(now, &itinerary);
        Box::pin(async move {
            let put = match put {
                Ok(answer) => answer.await.map_err(|error| error.to_string()),
                Err(what) => Err(what),
            };
            match put {
                Ok(()) => Ok(vec![(0, itinerary)]),
                Err(what) => Err(Failure::new(itinerary, what)),
            }
        })
    }

    fn in_flight_max(&self) -> usize {
        limits::STORE_WRITES_IN_FLIGHT_MAX
    }
}

impl Putter {
    fn put(&mut self, now: Now, itinerary: &Itinerary) -> Result<Answer<Result<(), ServiceError>>, String> {
        let Some(value) = outgoing(&itinerary.message, self.source.as_ref()) else {
            let source = self.source.as_ref().map_or_else(|| "data".to_owned(), ToString::to_string);
            return Err(format!("the message has no `{source}` to put into queue `{}`", self.queue));
        };
        let payload = self.format.encode_into(&value, &mut self.buffer);
        let payload = payload.map_err(|error| format!("cannot put into queue `{}`: {error}", self.queue))?;
        let mut publication = Publication::new(self.topic.clone(), payload, QoS::AtLeastOnce, now.wall);
        let text = |template: &Template| ByteString::from(template.render(itinerary).as_str());
        let user = self.user_properties.iter().map(|(name, template)| (name.clone(), text(template)));
        let properties = PublicationProperties {
            message_expiry_s: self.expiry_s,
            user_properties: user.filter(|(_, value)| !value.is_empty()).collect(),
            ..PublicationProperties::default()
        };
        publication.properties = (properties != PublicationProperties::default()).then(|| Box::new(properties));
        self.queues.put(now, &self.queue, publication).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, finish, itinerary, now};

    const KIND: &dyn ModuleKind = &Of::<QueuePublish>::new();

    #[test]
    fn a_message_goes_on_when_the_queue_has_it() {
        let world = World::new();
        let mut step = world.waiting(KIND, "queue = 'orders'\npriority = '{urgency}'\ndelay = '{wait}'\nexpiry = '1m'");
        let mut work = step.begin(now(0), itinerary(r#"{"data":{"a":1},"urgency":7}"#));
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(cx).is_pending());
        world.queues.gate.open();
        assert_eq!(finish(work).unwrap(), [r#"0: {"data":{"a":1},"urgency":7}"#]);
        let put = world.queues.put.lock().unwrap();
        let (queue, publication) = &put[0];
        assert_eq!((queue.as_str(), publication.topic.as_str()), ("orders", "$queue/orders"));
        assert_eq!(&*publication.payload, br#"{"a":1}"#);
        let properties = publication.properties.as_ref().unwrap();
        assert_eq!(properties.message_expiry_s, Some(60));
        assert_eq!(properties.user_properties, [("priority".into(), "7".into())]);
    }

    #[test]
    fn what_cannot_be_put_fails() {
        let world = World::new();
        let mut step = world.waiting(KIND, "queue = 'orders'\nsource = 'x'");
        let error = finish(step.begin(now(0), itinerary("{}"))).unwrap_err();
        assert!(error.contains("no `x` to put into queue `orders`"), "{error}");
        let mut step = world.waiting(KIND, "queue = 'absent'");
        assert_eq!(finish(step.begin(now(0), itinerary("1"))).unwrap_err(), "there is no queue `absent`");
    }

    #[test]
    fn it_claims_the_queue() {
        let found = harness::check(KIND, "queue = 'orders'\nexpiry = '10ms'");
        assert!(found.lines()[0].contains("out of range"), "{:?}", found.lines());
        assert_eq!(found.claims(), [&Claim::Publish { filter: Text::new("$queue/orders") }]);
    }
}
