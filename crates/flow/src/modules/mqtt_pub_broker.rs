//! `mqtt-pub-broker`: publishes to the node's own broker.

use bytes::BytesMut;
use indexmap::IndexMap;
use message::{Now, Publication, PublicationProperties, QoS, Text, TopicFilter, TopicName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::{MessagePart, outgoing};
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};
use crate::services::{Published, Services};
use crate::span::Span;
use crate::template::{Template, TemplateError};

/// Publishes to the node's own broker; clients and other flows that subscribed to the topic get it.
///
/// **Message in** anything. What is published is the property `source`. When `source` is not set, it is the property
/// `data` if the message has one, else the whole message, without the node's own `headwater`.
///
/// **Message out** the message as it came, once the broker has taken it. While a subscriber asks its publishers to
/// wait, the flow takes nothing new, so that nothing is lost.
///
/// **Failure** the message has no property `source`; the topic is empty or holds a wildcard once the parts are put in; the
/// payload cannot be written in the format; the broker refuses the topic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The topic, which may take parts from the message, as in `factory/{data.line}/temperature`.
    topic: Template,
    /// The property to publish, or `message` for the whole message. When not set: `data` if the message has it, else the
    /// whole message.
    #[serde(default)]
    source: Option<MessagePart>,
    /// How the payload is written.
    #[serde(default)]
    format: PayloadFormat,
    /// The quality of service: 0 at most once, 1 at least once, 2 exactly once.
    #[serde(default)]
    #[schemars(with = "u8", range(min = 0, max = 2))]
    qos: QoS,
    /// Whether the broker keeps the message for those who subscribe later.
    #[serde(default)]
    retain: bool,
    /// The MQTT 5 content type, as in `application/json`.
    #[serde(default)]
    content_type: Option<Template>,
    /// The MQTT 5 response topic.
    #[serde(default)]
    response_topic: Option<Template>,
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
pub(super) struct MqttPubBroker;

impl Module for MqttPubBroker {
    const TYPE: &'static str = "mqtt-pub-broker";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Publishes to the node's own MQTT broker.";
    const EXAMPLE: &'static str = r#"topic = "factory/{data.line}/temperature"
qos = 1
user_properties = { site = "{context.site}" }
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Err(what) = check_topic(&settings.topic) {
            checker.problem("topic", what, "write a topic without wildcards, as in `factory/{data.line}/temperature`");
        }
        if let Some(expiry) = settings.expiry {
            expiry.check("expiry", Span::from_secs(1), Span::from_secs(u64::from(u32::MAX)), checker);
        }
        if settings.user_properties.len() > message::limits::MQTT_USER_PROPERTIES_MAX {
            let most = message::limits::MQTT_USER_PROPERTIES_MAX;
            checker.problem("user_properties", "too many user properties", format!("at most {most} are allowed"));
        }
        checker.claim(Claim::Publish { filter: Text::from(settings.topic.as_topic_filter()) });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        check_topic(&settings.topic).map_err(BuildError::new)?;
        let environment = &*context.services.environment;
        let ready = |template: Template| template.with_environment(environment);
        let properties = Properties {
            content_type: settings.content_type.map(ready).transpose().map_err(BuildError::new)?,
            response_topic: settings.response_topic.map(ready).transpose().map_err(BuildError::new)?,
            expiry_s: settings.expiry.map(|expiry| u32::try_from(expiry.as_duration().as_secs()).unwrap_or(u32::MAX)),
            user: settings
                .user_properties
                .into_iter()
                .map(|(name, template)| Ok((name.into(), ready(template)?)))
                .collect::<Result<_, TemplateError>>()
                .map_err(BuildError::new)?,
        };
        Ok(Built::Step(Box::new(Publisher {
            services: context.services.clone(),
            topic: ready(settings.topic).map_err(BuildError::new)?,
            source: settings.source,
            format: settings.format,
            qos: settings.qos,
            retain: settings.retain,
            properties: (!properties.is_empty()).then_some(properties),
            last_topic: None,
            buffer: BytesMut::new(),
        })))
    }
}

/// Refuses a topic that can be seen to be wrong before any part is put in.
fn check_topic(topic: &Template) -> Result<(), String> {
    if topic.literals().any(|text| text.contains(['+', '#'])) {
        return Err("a topic to publish to may not hold `+` or `#`".to_owned());
    }
    if topic.source().starts_with('$') {
        return Err("topics that begin with `$` belong to the node".to_owned());
    }
    TopicFilter::parse(&topic.as_topic_filter()).map(|_| ()).map_err(|error| error.to_string())
}

struct Publisher {
    services: Services,
    topic: Template,
    source: Option<MessagePart>,
    format: PayloadFormat,
    qos: QoS,
    retain: bool,
    properties: Option<Properties>,
    /// Most messages go to the topic of the one before.
    last_topic: Option<TopicName>,
    /// What payloads are written into.
    buffer: BytesMut,
}

struct Properties {
    content_type: Option<Template>,
    response_topic: Option<Template>,
    expiry_s: Option<u32>,
    user: Vec<(bytestring::ByteString, Template)>,
}

impl Properties {
    fn is_empty(&self) -> bool {
        self.content_type.is_none() && self.response_topic.is_none() && self.expiry_s.is_none() && self.user.is_empty()
    }

    fn render(&self, itinerary: &Itinerary) -> Result<PublicationProperties, String> {
        let text = |template: &Template| bytestring::ByteString::from(template.render(itinerary).as_str());
        let filled = |template: &Option<Template>| template.as_ref().map(text).filter(|text| !text.is_empty());
        let response_topic = filled(&self.response_topic)
            .map(|topic| TopicName::parse(&topic).map_err(|error| format!("cannot ask for an answer: {error}")))
            .transpose()?;
        let user = self.user.iter().map(|(name, template)| (name.clone(), text(template)));
        Ok(PublicationProperties {
            content_type: filled(&self.content_type),
            response_topic,
            message_expiry_s: self.expiry_s,
            user_properties: user.filter(|(_, value)| !value.is_empty()).collect(),
            ..PublicationProperties::default()
        })
    }
}

impl Step for Publisher {
    fn process(&mut self, now: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        let publication = match self.publication(now, &itinerary) {
            Ok(publication) => publication,
            Err(what) => return Err(Failure::new(itinerary, what)),
        };
        match self.services.broker.publish(now, publication, itinerary.receipt()) {
            Ok(Published::Done) => {}
            Ok(Published::HoldBack(answer)) => {
                // The source may be told that all is well only when every match has the message.
                let receipt = itinerary.receipt().cloned();
                out.hold_back(Box::pin(async move {
                    let taken = answer.await;
                    if let (Err(_), Some(receipt)) = (&taken, &receipt) {
                        receipt.fail();
                    }
                    taken
                }));
            }
            Err(error) => return Err(Failure::new(itinerary, error)),
        }
        out.emit(itinerary);
        Ok(())
    }
}

impl Publisher {
    fn publication(&mut self, now: Now, itinerary: &Itinerary) -> Result<Publication, String> {
        let Some(value) = outgoing(&itinerary.message, self.source.as_ref()) else {
            let source = self.source.as_ref().map_or_else(|| "data".to_owned(), ToString::to_string);
            return Err(format!("the message has no `{source}` to publish: set `source` to a property that it has"));
        };
        let payload =
            self.format.encode_into(&value, &mut self.buffer).map_err(|error| format!("cannot publish: {error}"))?;
        let mut publication = Publication::new(self.topic(itinerary)?, payload, self.qos, now.wall);
        publication.retain = self.retain;
        if let Some(properties) = &self.properties {
            publication.properties = Some(Box::new(properties.render(itinerary)?));
        }
        Ok(publication)
    }

    fn topic(&mut self, itinerary: &Itinerary) -> Result<TopicName, String> {
        let rendered;
        let text = match self.topic.as_literal() {
            Some(literal) => literal,
            None => {
                rendered = self.topic.render(itinerary);
                rendered.as_str()
            }
        };
        if let Some(last) = &self.last_topic
            && last.as_str() == text
        {
            return Ok(last.clone());
        }
        let topic =
            TopicName::parse(text).map_err(|error| format!("cannot publish to `{}`: {error}", shortened(text)))?;
        self.last_topic = Some(topic.clone());
        Ok(topic)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, Gate, World, now, process, try_message};
    use std::sync::Arc;

    const KIND: &dyn ModuleKind = &Of::<MqttPubBroker>::new();

    fn check(toml: &str, message: &str, expect: Result<&str, &str>) {
        let world = World::new();
        let mut step = world.step(KIND, toml);
        match (try_message(&mut *step, message), expect) {
            (Ok(passed), Ok(line)) => {
                assert_eq!(passed, [format!("0: {message}")]);
                assert_eq!(world.broker.lines(), [line]);
            }
            (Err(what), Err(part)) => assert!(what.contains(part), "{what}"),
            (found, _) => panic!("{toml} {message}: {found:?}"),
        }
    }

    #[test]
    fn it_publishes_the_property_or_data_or_everything() {
        check("topic = 'a'", r#"{"data":{"t":1},"x":2}"#, Ok(r#"a {"t":1}"#));
        check("topic = 'f/{line}/t'", r#"{"line":"l1","t":1}"#, Ok(r#"f/l1/t {"line":"l1","t":1}"#));
        check("topic = 'a'\nsource = 't'\nformat = 'text'", r#"{"t":1.5}"#, Ok("a 1.5"));
        check("topic = 'a'\nsource = 't'", r#"{"data":1}"#, Err("the message has no `t` to publish"));
        check("topic = '{variables.line}'", "7", Ok("l1 7"));
    }

    #[test]
    fn a_topic_that_is_wrong_for_this_message_fails() {
        check("topic = '{x}'", "{}", Err("cannot publish to ``: the topic is empty"));
        check("topic = 'a/{x}'", "{\"x\":\"#\"}", Err("cannot publish to `a/#`: the topic holds a wildcard"));
    }

    #[test]
    fn properties_are_put_in_per_message_and_empty_ones_left_out() {
        let world = World::new();
        let toml = "topic = 'a'\nretain = true\nqos = 2\nexpiry = '1m'\ncontent_type = 'text/{t}'\n\
                    user_properties = { plant = '{env.PLANT}', none = '{x}' }";
        let mut step = world.step(KIND, toml);
        try_message(&mut *step, r#"{"t":"plain"}"#).unwrap();
        let published = world.broker.published.lock().unwrap();
        let properties = published[0].properties.as_ref().unwrap();
        assert!(published[0].retain && published[0].qos == QoS::ExactlyOnce);
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.message_expiry_s, Some(60));
        assert_eq!(properties.user_properties, [("plant".into(), "north".into())]);
    }

    #[test]
    fn a_full_broker_holds_the_flow_back_and_the_source_is_told_after_that() {
        let world = World::new();
        let gate = Arc::<Gate>::default();
        *world.broker.full.lock().unwrap() = Some(Arc::clone(&gate));
        let mut step = world.step(KIND, "topic = 'a'");
        let (itinerary, ended) = harness::itinerary_with_receipt("1");
        let mut out = Emitter::default();
        step.process(now(0), itinerary, &mut out).unwrap();
        out.drain().for_each(drop);
        let mut waits: Vec<_> = out.take_hold_backs().collect();
        assert!(harness::ready(&mut waits[0]).is_none() && ended.lock().unwrap().is_empty());
        gate.open();
        assert_eq!(harness::ready(&mut waits[0]), Some(Ok(())));
        drop(waits);
        assert_eq!(ended.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_refusal_of_the_broker_fails_the_itinerary() {
        let world = World::new();
        *world.broker.refuses.lock().unwrap() = Some("`a` is not allowed".to_owned());
        let mut step = world.step(KIND, "topic = 'a'");
        assert_eq!(process(&mut *step, now(0), harness::itinerary("1")), Err("`a` is not allowed".to_owned()));
    }

    #[test]
    fn the_check_names_wildcards_and_topics_of_the_node() {
        for (toml, what) in [
            ("topic = 'a/{x}/#'", "may not hold"),
            ("topic = '$SYS/x'", "belong to the node"),
            ("topic = ''", "is empty"),
            ("topic = 'a'\nexpiry = '10ms'", "out of range"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
        let found = harness::check(KIND, "topic = 'a/{x}/b'");
        assert_eq!(found.claims(), [&Claim::Publish { filter: Text::new("a/+/b") }]);
    }
}
