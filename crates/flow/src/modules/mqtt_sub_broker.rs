//! `mqtt-sub-broker`: begins an itinerary for every message that the node's own broker has for a topic filter.

use std::sync::Arc;
use std::task::Context;

use bytestring::ByteString;
use message::{ModuleId, Now, Object, Publication, PublicationProperties, QoS, Text, TopicFilter, TopicName, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::backlog::BacklogSettings;
use super::message_part::MessagePart;
use super::payload::{self, PayloadFormat};
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Inbound, Module};
use crate::run::{FlowContext, Itinerary, Source};
use crate::services::{Inbox, SubscribeRequest, Taken};

/// Begins an itinerary for every message that is published to the node's own broker on a topic that matches, by a client
/// or by a flow. The broker need not be reachable from outside.
///
/// **Message out** `{ data, topic, qos, retain, properties }`: the payload, the topic, the quality of service (0 to 2),
/// whether the message was retained before the flow subscribed, and the MQTT 5 properties `contentType`, `responseTopic`,
/// `correlationData` (bytes) and `userProperties` (an object; a name that occurs more than once has an array).
///
/// **Durable** With `durable = true` every message that matches is written to the node's disk, whatever its quality of
/// service, and its publisher's acknowledgement waits for that. It waits there while the flow is stopped, is deployed anew,
/// or the node is down, and leaves when every branch of its itinerary has come to its end. When a branch failed for good,
/// or the node went down meanwhile, the message comes again; after its last delivery it is kept as a dead letter. What waits
/// is shown as the queue `<flow>.<module>`, the dead letters as `<flow>.<module>.dead`. Both are removed, with all that is in
/// them, with the flow, and when a version is deployed that has no durable module of this id; with `topic` changed, what
/// waits stays. Messages begin in the order in which they were taken; one that comes again has lost its place.
///
/// **Failure** A payload that is not in the expected format still begins an itinerary: with
/// `headwater: { success: false, message }` and the payload in `data` as text, or as bytes when it is no text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The topic filter: `+` stands for one level, `#` for the rest.
    topic: String,
    /// How the payload is read.
    #[serde(default)]
    format: PayloadFormat,
    /// The property that takes the payload. With `message`, the payload is the whole message, without topic and properties.
    #[serde(default = "MessagePart::data")]
    target: MessagePart,
    /// The quality of service that is asked for: 0, 1 or 2. A message has the lower of this and its publisher's. When
    /// absent it is 0, and 2 for a durable subscription, which cannot ask for 0.
    #[serde(default)]
    #[schemars(with = "Option<u8>", range(min = 0, max = 2))]
    qos: Option<QoS>,
    /// Whether messages wait on disk until they are worked off, also while the flow does not run.
    #[serde(default)]
    durable: bool,
    /// What may wait for a durable subscription.
    #[serde(default)]
    backlog: Option<BacklogSettings>,
}

/// The module type.
#[derive(Debug)]
pub(super) struct MqttSubBroker;

impl Module for MqttSubBroker {
    const TYPE: &'static str = "mqtt-sub-broker";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Takes messages from the node's own MQTT broker.";
    const EXAMPLE: &'static str = r#"topic = "plc/line1/+"
format = "json"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        checker.topic_filter("topic", &settings.topic);
        if let Err(what) = settings.target.check_beside(&BESIDE) {
            checker.problem("target", what, "choose another property");
        }
        if settings.durable && settings.qos == Some(QoS::AtMostOnce) {
            checker.problem(
                "qos",
                "a durable subscription loses no message, so that it cannot ask for 0",
                "leave it out",
            );
        }
        match &settings.backlog {
            Some(_) if !settings.durable => {
                checker.problem(
                    "backlog",
                    "without `durable = true` nothing waits on disk",
                    "add `durable = true`, or leave it out",
                );
            }
            Some(backlog) => backlog.check("backlog", checker),
            None => {}
        }
        checker.claim(Claim::Subscribe { filter: Text::new(&settings.topic), durable: settings.durable });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let filter = TopicFilter::parse(&settings.topic).map_err(BuildError::new)?;
        settings.target.check_beside(&BESIDE).map_err(BuildError::new)?;
        let durable = settings.durable.then(|| settings.backlog.unwrap_or_default().resolve());
        let qos = settings.qos.unwrap_or(if settings.durable { QoS::ExactlyOnce } else { QoS::AtMostOnce });
        let request = SubscribeRequest { filter, qos, durable };
        let inbox = context.services.broker.subscribe(context.module, request).map_err(BuildError::new)?;
        Ok(Built::Inbound(Box::new(Subscription {
            inbox,
            flow: Arc::clone(context.flow),
            module: context.module.clone(),
            format: settings.format,
            target: settings.target,
            taken: Vec::new(),
            last_topic: None,
            no_properties: Value::from(Object::new()),
        })))
    }
}

const DATA: Text = Text::new_static("data");
const TOPIC: Text = Text::new_static("topic");
const QOS: Text = Text::new_static("qos");
const RETAIN: Text = Text::new_static("retain");
const PROPERTIES: Text = Text::new_static("properties");
/// What stands in the message beside the payload.
const BESIDE: [Text; 4] = [TOPIC, QOS, RETAIN, PROPERTIES];

struct Subscription {
    inbox: Box<dyn Inbox>,
    flow: Arc<FlowContext>,
    module: ModuleId,
    format: PayloadFormat,
    target: MessagePart,
    taken: Vec<Taken>,
    last_topic: Option<KnownTopic>,
    no_properties: Value,
}

/// What is made of a topic once, as most messages come by the topic of the one before.
struct KnownTopic {
    topic: TopicName,
    text: Text,
    source: Arc<Source>,
}

impl Inbound for Subscription {
    fn poll_arrivals(&mut self, cx: &mut Context<'_>, now: Now, room: usize, arrivals: &mut Vec<Itinerary>) {
        let mut taken = std::mem::take(&mut self.taken);
        self.inbox.poll_take(cx, room, &mut taken);
        for mut message in taken.drain(..) {
            let receipt = message.receipt.take();
            let (source, message) = self.begin(&message);
            let begun = Itinerary::begin(now, &self.flow, source, 0, message);
            arrivals.push(match receipt {
                Some(receipt) => begun.with_receipt(receipt),
                None => begun,
            });
        }
        self.taken = taken;
    }

    fn is_drained(&self) -> bool {
        self.inbox.waiting() == 0
    }
}

impl Subscription {
    fn begin(&mut self, taken: &Taken) -> (Arc<Source>, Value) {
        let publication = &*taken.publication;
        let (source, topic) = self.topic(&publication.topic);
        let (data, error) = match self.format.decode(&publication.payload) {
            Ok(data) if self.target == MessagePart::Whole => return (source, data),
            Ok(data) => (data, None),
            Err(error) => (payload::as_found(&publication.payload), Some(error)),
        };
        let mut object = Object::with_capacity(6);
        let target = match &self.target {
            MessagePart::Property(path) if path.as_member() != Some("data") => Some(path),
            _ => {
                object.insert(DATA, data.clone());
                None
            }
        };
        object.insert(TOPIC, Value::Text(topic));
        object.insert(QOS, Value::from(u32::from(u8::from(taken.qos))));
        object.insert(RETAIN, Value::Bool(taken.retained));
        object.insert(PROPERTIES, self.properties(publication));
        if let Some(error) = error {
            let what = format!("the payload of `{}` is {error}", publication.topic);
            let result = [("success", Value::Bool(false)), ("message", Value::from(what))];
            object.insert("headwater", Value::Object(result.into_iter().collect()));
        }
        let mut message = Value::Object(object);
        if let Some(path) = target
            && message.set(path, data.clone()).is_err()
            && let Value::Object(object) = &mut message
        {
            object.insert(DATA, data);
        }
        (source, message)
    }

    fn topic(&mut self, topic: &TopicName) -> (Arc<Source>, Text) {
        if let Some(known) = &self.last_topic
            && known.topic == *topic
        {
            return (Arc::clone(&known.source), known.text.clone());
        }
        let text = Text::new(topic.as_str());
        let address = ByteString::from(topic.as_str());
        let source = Arc::new(Source { module: self.module.clone(), address });
        let known = KnownTopic { topic: topic.detach(), text: text.clone(), source: Arc::clone(&source) };
        self.last_topic = Some(known);
        (source, text)
    }

    fn properties(&self, publication: &Publication) -> Value {
        let properties = publication.properties.as_deref();
        properties.map_or_else(|| self.no_properties.clone(), properties_value)
    }
}

/// The MQTT 5 properties of a message, as flows see them.
pub(super) fn properties_value(properties: &PublicationProperties) -> Value {
    let mut object = Object::with_capacity(4);
    if let Some(content_type) = &properties.content_type {
        object.insert("contentType", Value::from(&**content_type));
    }
    if let Some(topic) = &properties.response_topic {
        object.insert("responseTopic", Value::from(topic.as_str()));
    }
    if let Some(data) = &properties.correlation_data {
        object.insert("correlationData", Value::from(data.clone()));
    }
    if !properties.user_properties.is_empty() {
        object.insert("userProperties", user_properties(&properties.user_properties));
    }
    Value::Object(object)
}

fn user_properties(pairs: &[(ByteString, ByteString)]) -> Value {
    let mut object = Object::new();
    for (name, value) in pairs {
        let value = Value::from(&**value);
        match object.get_mut(name) {
            None => {
                object.insert(&**name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::from(vec![std::mem::take(first), value]),
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, arrivals, arrived, now};
    use crate::run::Outcome;
    use crate::services::BacklogFull;
    use message::{Bytes, limits};

    const KIND: &dyn ModuleKind = &Of::<MqttSubBroker>::new();

    /// What is made of one payload on `plc/1`.
    fn check(toml: &str, payload: &[u8], expect: &str) {
        let world = World::new();
        let mut inbound = world.inbound(KIND, toml);
        world.broker.send("plc/1", payload);
        assert_eq!(arrived(&mut *inbound, now(0), 10), [expect], "{toml}");
    }

    #[test]
    fn the_payload_stands_in_the_message_in_the_format_asked_for() {
        let rest = r#""topic":"plc/1","qos":0,"retain":false,"properties":{}"#;
        check(r#"topic = "plc/+""#, br#"{"t":1}"#, &format!(r#"{{"data":{{"t":1}},{rest}}}"#));
        check("topic = 'plc/+'\nformat = 'text'", b"hi", &format!(r#"{{"data":"hi",{rest}}}"#));
        check("topic = 'plc/+'\nformat = 'raw'", b"hi", &format!(r#"{{"data":"aGk=",{rest}}}"#));
        check("topic = '#'\ntarget = 'in.raw'", b"1", &format!(r#"{{{rest},"in":{{"raw":1}}}}"#));
        check("topic = '#'\ntarget = 'message'", b"[1]", "[1]");
    }

    #[test]
    fn a_payload_that_cannot_be_read_begins_as_failed_and_is_kept() {
        let rest = r#""topic":"plc/1","qos":0,"retain":false,"properties":{}"#;
        let what = "the payload of `plc/1` is not valid JSON at line 1, column 2: expected ident";
        let failed = format!(r#""headwater":{{"success":false,"message":"{what}"}}"#);
        check("topic = '#'", b"tx", &format!(r#"{{"data":"tx",{rest},{failed}}}"#));
        check("topic = '#'\ntarget = 'message'", b"tx", &format!(r#"{{"data":"tx",{rest},{failed}}}"#));
    }

    #[test]
    fn properties_of_mqtt_5_are_carried_over() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "topic = 'a'\nformat = 'text'");
        let mut publication =
            Publication::new(TopicName::parse("a").unwrap(), Bytes::new(), QoS::AtLeastOnce, now(0).wall);
        publication.properties = Some(Box::new(PublicationProperties {
            content_type: Some("text/plain".into()),
            response_topic: Some(TopicName::parse("b").unwrap()),
            correlation_data: Some(Bytes::from_static(b"hi")),
            user_properties: vec![("k".into(), "1".into()), ("l".into(), "2".into()), ("k".into(), "3".into())],
            ..PublicationProperties::default()
        }));
        world.broker.deliver(publication);
        assert_eq!(
            arrived(&mut *inbound, now(0), 10),
            [concat!(
                r#"{"data":"","topic":"a","qos":1,"retain":false,"properties":{"contentType":"text/plain","#,
                r#""responseTopic":"b","correlationData":"aGk=","userProperties":{"k":["1","3"],"l":"2"}}}"#
            )]
        );
    }

    #[test]
    fn it_takes_no_more_than_there_is_room_for_and_names_the_topic_as_source() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "topic = '#'");
        for topic in ["a", "a", "b"] {
            world.broker.send(topic, b"1");
        }
        assert!(!inbound.is_drained());
        let mut all = arrivals(&mut *inbound, now(0), 2);
        all.append(&mut arrivals(&mut *inbound, now(0), 2));
        let sources: Vec<&str> = all.iter().map(|itinerary| &*itinerary.source().address).collect();
        assert_eq!(sources, ["a", "a", "b"]);
        assert!(inbound.is_drained());
    }

    #[test]
    fn the_check_names_what_is_wrong_and_claims_the_filter() {
        let found = harness::check(KIND, "topic = 'a/#/b'\ntarget = 'topic.x'");
        assert_eq!(found.lines().len(), 2, "{:?}", found.lines());
        assert!(found.lines()[1].contains("`topic` is taken"), "{:?}", found.lines());
        assert_eq!(found.claims(), [&Claim::Subscribe { filter: Text::new("a/#/b"), durable: false }]);
    }

    #[test]
    fn the_end_of_an_itinerary_settles_a_message_of_a_durable_subscription() {
        let world = World::new();
        let mut inbound =
            world.inbound(KIND, "topic = '#'\ndurable = true\nbacklog = { messages_max = 7, policy = 'drop-oldest' }");
        let asked = world.broker.backlogs.lock().unwrap()[0];
        assert_eq!((asked.messages_max, asked.when_full), (7, BacklogFull::DropOldest));
        assert_eq!((asked.bytes_max, asked.in_flight_max), (limits::QUEUE_BYTES_MAX, limits::FLOW_QUEUE_MESSAGES));
        world.broker.send("a", b"1");
        world.broker.send("a", b"2");
        let mut begun = arrivals(&mut *inbound, now(0), 10);
        assert!(world.broker.settled.lock().unwrap().is_empty());
        begun[1].receipt().unwrap().fail();
        begun.truncate(1);
        drop(begun);
        assert_eq!(*world.broker.settled.lock().unwrap(), [Outcome::Failed, Outcome::Done]);
    }

    #[test]
    fn what_makes_no_sense_of_a_durable_subscription_is_named() {
        for (toml, expect) in [
            ("topic = 'a'\ndurable = true\nqos = 0", "it cannot ask for 0"),
            ("topic = 'a'\nbacklog = { messages_max = 1 }", "without `durable = true`"),
            ("topic = 'a'\ndurable = true\nbacklog = { messages_max = 0 }", "backlog.messages_max: out of range"),
            ("topic = 'a'\ndurable = true\nbacklog = { in_flight_max = 0 }", "backlog.in_flight_max: out of range"),
        ] {
            let found = harness::check(KIND, toml);
            assert!(found.lines()[0].contains(expect), "{toml}: {:?}", found.lines());
        }
        let found = harness::check(KIND, "topic = 'a'\ndurable = true\nqos = 1");
        assert!(found.lines().is_empty(), "{:?}", found.lines());
        assert_eq!(found.claims(), [&Claim::Subscribe { filter: Text::new("a"), durable: true }]);
    }
}
