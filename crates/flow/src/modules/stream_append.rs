//! `stream-append`: appends a message to a stream of the node.

use std::sync::Arc;

use bytes::BytesMut;
use bytestring::ByteString;
use indexmap::IndexMap;
use message::{Now, Publication, PublicationProperties, QoS, StreamName, Text, TopicName, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::{MessagePart, outgoing};
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Failure, Module, Waiting, WaitingStep};
use crate::run::Itinerary;
use crate::services::{Answer, ServiceError, Streams};
use crate::template::{Template, TemplateError};

/// Appends a message to a stream of the node, which keeps it for everyone who reads the stream.
///
/// **Message in** anything. What is appended is the property `source`. When `source` is not set, it is the property `data` if
/// the message has one, else the whole message, without the node's own `headwater`.
///
/// **Message out** the message as it came, once the stream has it, as safe as the stream promises.
///
/// **Failure** the message has no property `source`; the payload cannot be written in the format; the topic is none once its
/// parts are put in; there is no such stream, or no room on the disk.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The name of the stream.
    #[schemars(with = "String")]
    stream: StreamName,
    /// The topic that readers see, which may come from the message, as in `{topic}`. When not set: `$stream/` and the name.
    #[serde(default)]
    topic: Option<Template>,
    /// The property to append, or `message` for the whole message. When not set: `data` if the message has it, else the
    /// whole message.
    #[serde(default)]
    source: Option<MessagePart>,
    /// How the payload is written.
    #[serde(default)]
    format: PayloadFormat,
    /// MQTT 5 user properties by name. One that is empty once the parts are put in is left out.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, Template>")]
    user_properties: IndexMap<String, Template>,
}

/// The module type.
#[derive(Debug)]
pub(super) struct StreamAppend;

impl Module for StreamAppend {
    const TYPE: &'static str = "stream-append";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Appends messages to a stream of the node.";
    const EXAMPLE: &'static str = "stream = \"readings\"\ntopic = \"{topic}\"\n";
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let most = limits::MQTT_USER_PROPERTIES_MAX;
        if settings.user_properties.len() > most {
            checker.problem("user_properties", "too many user properties", format!("at most {most} are allowed"));
        }
        checker.claim(Claim::Publish { filter: Text::from(format!("$stream/{}", settings.stream)) });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let environment = &*context.services.environment;
        let ready = |template: Template| template.with_environment(environment);
        let user_properties: Result<Vec<(ByteString, Template)>, TemplateError> =
            settings.user_properties.into_iter().map(|(name, template)| Ok((name.into(), ready(template)?))).collect();
        let topic = settings.topic.map(ready).transpose().map_err(BuildError::new)?;
        let own_topic = TopicName::parse(&format!("$stream/{}", settings.stream)).map_err(BuildError::new)?;
        Ok(Built::Waiting(Box::new(Appender {
            streams: Arc::clone(&context.services.streams),
            stream: settings.stream,
            own_topic,
            topic,
            source: settings.source,
            format: settings.format,
            user_properties: user_properties.map_err(BuildError::new)?,
            buffer: BytesMut::new(),
        })))
    }
}

struct Appender {
    streams: Arc<dyn Streams>,
    stream: StreamName,
    own_topic: TopicName,
    topic: Option<Template>,
    source: Option<MessagePart>,
    format: PayloadFormat,
    user_properties: Vec<(ByteString, Template)>,
    buffer: BytesMut,
}

impl WaitingStep for Appender {
    fn begin(&mut self, now: Now, itinerary: Itinerary) -> Waiting {
        // Appended here, not when the future is first looked at: so messages keep their order.
        let appended = self.append(now, &itinerary);
        Box::pin(async move {
            let appended = match appended {
                Ok(answer) => answer.await.map_err(|error| error.to_string()),
                Err(what) => Err(what),
            };
            match appended {
                Ok(()) => Ok(vec![(0, itinerary)]),
                Err(what) => Err(Failure::new(itinerary, what)),
            }
        })
    }

    fn in_flight_max(&self) -> usize {
        limits::STORE_WRITES_IN_FLIGHT_MAX
    }
}

impl Appender {
    fn append(&mut self, now: Now, itinerary: &Itinerary) -> Result<Answer<Result<(), ServiceError>>, String> {
        let Some(value) = outgoing(&itinerary.message, self.source.as_ref()) else {
            let source = self.source.as_ref().map_or_else(|| "data".to_owned(), ToString::to_string);
            return Err(format!("the message has no `{source}` to append to stream `{}`", self.stream));
        };
        let refuse = |error: &dyn std::fmt::Display| format!("cannot append to stream `{}`: {error}", self.stream);
        let topic = match &self.topic {
            Some(template) => TopicName::parse(&template.render(itinerary)).map_err(|error| refuse(&error))?,
            None => self.own_topic.clone(),
        };
        let payload = self.format.encode_into(&value, &mut self.buffer).map_err(|error| refuse(&error))?;
        let text = |template: &Template| ByteString::from(template.render(itinerary).as_str());
        let user = self.user_properties.iter().map(|(name, template)| (name.clone(), text(template)));
        let user_properties: Vec<_> = user.filter(|(_, value)| !value.is_empty()).collect();
        let mut publication = Publication::new(topic, payload, QoS::AtLeastOnce, now.wall);
        publication.properties = (!user_properties.is_empty())
            .then(|| Box::new(PublicationProperties { user_properties, ..PublicationProperties::default() }));
        self.streams.append(now, &self.stream, publication).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, finish, itinerary, now};

    const KIND: &dyn ModuleKind = &Of::<StreamAppend>::new();

    #[test]
    fn a_message_goes_on_when_the_stream_has_it() {
        let world = World::new();
        let settings =
            "stream = 'readings'\ntopic = 'plant/{line}'\nuser_properties = { line = '{line}', none = '{no}' }";
        let mut step = world.waiting(KIND, settings);
        let mut work = step.begin(now(0), itinerary(r#"{"data":{"a":1},"line":7}"#));
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(cx).is_pending());
        world.streams.gate.open();
        assert_eq!(finish(work).unwrap(), [r#"0: {"data":{"a":1},"line":7}"#]);
        let mut step = world.waiting(KIND, "stream = 'readings'");
        assert_eq!(finish(step.begin(now(0), itinerary("[1]"))).unwrap(), ["0: [1]"]);
        let appended = world.streams.appended.lock().unwrap();
        let lines: Vec<String> = appended
            .iter()
            .map(|(stream, it)| format!("{stream} {} {}", it.topic, String::from_utf8_lossy(&it.payload)))
            .collect();
        assert_eq!(lines, [r#"readings plant/7 {"a":1}"#, "readings $stream/readings [1]"]);
        let properties = appended[0].1.properties.as_ref().unwrap();
        assert_eq!(properties.user_properties, [("line".into(), "7".into())]);
    }

    #[test]
    fn what_cannot_be_appended_fails() {
        let world = World::new();
        for (toml, expect) in [
            ("stream = 'readings'\nsource = 'x'", "the message has no `x` to append to stream `readings`"),
            ("stream = 'readings'\ntopic = 'a/#'", "cannot append to stream `readings`: "),
            ("stream = 'absent'", "there is no stream `absent`"),
        ] {
            let mut step = world.waiting(KIND, toml);
            let error = finish(step.begin(now(0), itinerary("{}"))).unwrap_err();
            assert!(error.starts_with(expect), "{error}");
        }
    }

    #[test]
    fn it_claims_the_stream() {
        let found = harness::check(KIND, "stream = 'readings'");
        assert_eq!(found.claims(), [&Claim::Publish { filter: Text::new("$stream/readings") }]);
    }
}
