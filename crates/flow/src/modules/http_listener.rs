//! `http-listener`: begins an itinerary for every HTTP request to a path.

use std::sync::Arc;
use std::task::Context;

use bytestring::ByteString;
use message::{Bytes, ModuleId, Now, Object, Text, TopicFilter, Value, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http_body::{self, BodyError};
use super::message_part::MessagePart;
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::{Checker, Claim};
use crate::module::{Built, Direction, Inbound, Module};
use crate::run::{FlowContext, Itinerary, Receipt, Source};
use crate::services::{EndpointRequest, Endpoints, HttpInbox, HttpRequest, HttpResponse};
use crate::span::Span;

/// Opens an HTTP path on the node's listener for endpoints, as long as the flow runs, and begins an itinerary for every
/// request.
///
/// **Message out** `{ $httpRequestId, path, verb, query, headers, body, data }`: `body` is the body as it came, a text or else
/// bytes; `data` is the body read by its `Content-Type`: JSON, a form as an object, text, else bytes. An empty body is null.
///
/// **Answer** With `respond_automatically`, 200 once every branch of the itinerary has come to its end, 500 if one failed for
/// good; an `http-response` on the way comes first. Without it, only `http-response` answers. Whoever is not answered in time
/// gets 504.
///
/// **Failure** A body that cannot be read is answered 400 and begins nothing; while the flow is full the node answers 503.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The path: `+` stands for one segment, `#` for the rest, as in `/lines/+/orders`.
    path: String,
    /// The verb that is taken.
    #[serde(default)]
    verb: Verb,
    /// How a body without `Content-Type` is read.
    #[serde(default = "raw")]
    format: PayloadFormat,
    /// The property that takes the body as it was read.
    #[serde(default = "MessagePart::data")]
    target: MessagePart,
    /// Whether the end of the itinerary answers the request.
    #[serde(default = "yes")]
    respond_automatically: bool,
    /// How long the caller waits for an answer before it gets 504; at most `10m`.
    #[serde(default = "thirty_seconds")]
    response_timeout: Span,
    /// Requests that may wait for the flow, 1 to 100,000; more are answered 503 with `Retry-After`.
    #[serde(default = "waiting_max")]
    #[schemars(range(min = 1, max = 100_000))]
    waiting_max: u32,
}

fn raw() -> PayloadFormat {
    PayloadFormat::Raw
}

fn yes() -> bool {
    true
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

fn waiting_max() -> u32 {
    limits::FLOW_QUEUE_MESSAGES as u32
}

/// Which requests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    /// Every verb.
    #[default]
    All,
    /// Only GET.
    Get,
    /// Only POST.
    Post,
    /// Only PUT.
    Put,
    /// Only PATCH.
    Patch,
    /// Only DELETE.
    Delete,
    /// Only HEAD.
    Head,
    /// Only OPTIONS.
    Options,
}

impl Verb {
    fn as_text(self) -> Text {
        Text::new_static(match self {
            Self::All => "ALL",
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        })
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct HttpListener;

impl Module for HttpListener {
    const TYPE: &'static str = "http-listener";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Takes HTTP requests to a path.";
    const EXAMPLE: &'static str = r#"path = "/mydata"
verb = "POST"
format = "json"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Err(what) = check_path(&settings.path) {
            checker.problem(
                "path",
                what,
                "write a path, as in `/mydata`, with `+` for one segment and `#` for the rest",
            );
        }
        if let Err(what) = settings.target.check_beside(&BESIDE) {
            checker.problem("target", what, "choose another property");
        }
        let most = limits::HTTP_RESPONSE_TIMEOUT_MAX.as_secs();
        settings.response_timeout.check("response_timeout", Span::from_millis(1), Span::from_secs(most), checker);
        if !(1..=100_000).contains(&settings.waiting_max) {
            checker.problem("waiting_max", "out of range", "write a number from 1 to 100000");
        }
        checker.claim(Claim::Endpoint { path: Text::new(trimmed(&settings.path)), verb: settings.verb.as_text() });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        check_path(&settings.path).map_err(BuildError::new)?;
        settings.target.check_beside(&BESIDE).map_err(BuildError::new)?;
        let endpoints = Arc::clone(&context.services.endpoints);
        let request = EndpointRequest {
            path: Text::new(trimmed(&settings.path)),
            verb: settings.verb.as_text(),
            response_timeout: settings.response_timeout.as_duration(),
            waiting_max: settings.waiting_max as usize,
        };
        let inbox = endpoints.open(context.module, request).map_err(BuildError::new)?;
        Ok(Built::Inbound(Box::new(Endpoint {
            inbox,
            endpoints,
            flow: Arc::clone(context.flow),
            module: context.module.clone(),
            format: settings.format,
            target: settings.target,
            respond_automatically: settings.respond_automatically,
            taken: Vec::new(),
        })))
    }
}

/// The path as the node takes it: without the leading slash.
fn trimmed(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

fn check_path(path: &str) -> Result<(), String> {
    let path = trimmed(path);
    if path.is_empty() {
        return Ok(());
    }
    if path.contains(['?', ' ']) {
        return Err(format!("`/{path}` is no path: it holds `?` or a blank"));
    }
    TopicFilter::parse(path).map(|_| ()).map_err(|error| format!("`/{path}` is no path: {error}"))
}

const ID: Text = Text::new_static("$httpRequestId");
const PATH: Text = Text::new_static("path");
const VERB: Text = Text::new_static("verb");
const QUERY: Text = Text::new_static("query");
const HEADERS: Text = Text::new_static("headers");
const BODY: Text = Text::new_static("body");
/// What stands in the message beside the body as it was read.
const BESIDE: [Text; 6] = [ID, PATH, VERB, QUERY, HEADERS, BODY];

struct Endpoint {
    inbox: Box<dyn HttpInbox>,
    endpoints: Arc<dyn Endpoints>,
    flow: Arc<FlowContext>,
    module: ModuleId,
    format: PayloadFormat,
    target: MessagePart,
    respond_automatically: bool,
    taken: Vec<HttpRequest>,
}

impl Inbound for Endpoint {
    fn poll_arrivals(&mut self, cx: &mut Context<'_>, now: Now, room: usize, arrivals: &mut Vec<Itinerary>) {
        let mut taken = std::mem::take(&mut self.taken);
        self.inbox.poll_take(cx, room, &mut taken);
        for request in taken.drain(..) {
            let id = request.id.clone();
            match self.begin(now, request) {
                Ok(itinerary) => arrivals.push(itinerary),
                Err(error) => self.refuse(&id, &error),
            }
        }
        self.taken = taken;
    }

    fn is_drained(&self) -> bool {
        self.inbox.waiting() == 0
    }
}

impl Endpoint {
    fn begin(&self, now: Now, request: HttpRequest) -> Result<Itinerary, BodyError> {
        let content_type = request.headers.iter().find(|(name, _)| name == "content-type");
        let data = http_body::read(content_type.map(|(_, value)| value.as_str()), self.format, &request.body)?;
        let id = request.id.clone();
        let address = ByteString::from(request.path.as_str());
        let source = Arc::new(Source { module: self.module.clone(), address });
        let itinerary = Itinerary::begin(now, &self.flow, source, 0, self.message(request, data));
        if !self.respond_automatically {
            return Ok(itinerary);
        }
        let endpoints = Arc::clone(&self.endpoints);
        let receipt = Receipt::new(move |outcome| {
            // An error here only says that an `http-response` or the timeout has answered before.
            drop(endpoints.respond(&id, HttpResponse::automatic(outcome)));
        });
        Ok(itinerary.with_receipt(receipt))
    }

    fn message(&self, request: HttpRequest, data: Value) -> Value {
        let MessagePart::Property(path) = &self.target else { return data };
        let pairs = |pairs: Vec<(Text, Text)>| -> Value {
            pairs.into_iter().map(|(name, value)| (name, Value::Text(value))).collect::<Object>().into()
        };
        let mut object = Object::with_capacity(8);
        object.insert(ID, Value::Text(request.id));
        object.insert(PATH, Value::Text(request.path));
        object.insert(VERB, Value::Text(request.verb));
        object.insert(QUERY, pairs(request.query));
        object.insert(HEADERS, pairs(request.headers));
        object.insert(BODY, super::payload::as_found(&request.body));
        let mut message = Value::Object(object);
        if message.set(path, data.clone()).is_err()
            && let Value::Object(object) = &mut message
        {
            object.insert("data", data);
        }
        message
    }

    fn refuse(&self, id: &str, error: &BodyError) {
        let problem = [
            ("title", Value::from("the body cannot be read")),
            ("status", Value::from(400)),
            ("detail", Value::from(error.to_string())),
        ];
        let body = Bytes::from(Value::Object(problem.into_iter().collect()).to_json_bytes());
        let headers = vec![(Text::new_static("content-type"), Text::new_static("application/problem+json"))];
        // An error here only says that the caller has gone.
        drop(self.endpoints.respond(id, HttpResponse { status: 400, headers, body }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, arrivals, arrived, now};

    const KIND: &dyn ModuleKind = &Of::<HttpListener>::new();

    fn request(id: &str, content_type: Option<&str>, body: &'static [u8]) -> HttpRequest {
        let headers = content_type.map(|value| (Text::new("content-type"), Text::new(value)));
        HttpRequest {
            id: Text::new(id),
            verb: Text::new("POST"),
            path: Text::new("/mydata"),
            headers: headers.into_iter().collect(),
            query: vec![(Text::new("q"), Text::new("1"))],
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn a_request_stands_in_the_message_with_its_body_read_by_content_type() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "path = '/mydata'");
        world.endpoints.send(request("r1", Some("application/json"), br#"{"t":1}"#));
        world.endpoints.send(request("r2", None, b"\xff"));
        let head =
            |id: &str| format!(r#"{{"$httpRequestId":"{id}","path":"/mydata","verb":"POST","query":{{"q":"1"}},"#);
        assert_eq!(
            arrived(&mut *inbound, now(0), 9),
            [
                head("r1") + r#""headers":{"content-type":"application/json"},"body":"{\"t\":1}","data":{"t":1}}"#,
                head("r2") + r#""headers":{},"body":"/w==","data":"/w=="}"#,
            ]
        );
        assert_eq!(world.endpoints.lines(), ["r1 200 ", "r2 200 "]);
    }

    #[test]
    fn the_answer_comes_at_the_end_of_the_itinerary_and_tells_of_a_failure() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "path = 'mydata'\nformat = 'text'");
        world.endpoints.send(request("r1", None, b"a"));
        world.endpoints.send(request("r2", None, b"a"));
        let mut begun = arrivals(&mut *inbound, now(0), 9);
        assert!(world.endpoints.lines().is_empty());
        begun[1].receipt().unwrap().fail();
        begun.pop();
        assert_eq!(world.endpoints.lines(), ["r2 500 "]);
        begun.pop();
        assert_eq!(world.endpoints.lines(), ["r2 500 ", "r1 200 "]);
    }

    #[test]
    fn without_automatic_answers_the_end_says_nothing() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "path = '/'\nrespond_automatically = false");
        world.endpoints.send(request("r1", None, b""));
        assert_eq!(arrivals(&mut *inbound, now(0), 9).len(), 1);
        assert!(world.endpoints.lines().is_empty());
    }

    #[test]
    fn a_body_that_cannot_be_read_is_answered_400_and_begins_nothing() {
        let world = World::new();
        let mut inbound = world.inbound(KIND, "path = '/mydata'\nformat = 'json'");
        world.endpoints.send(request("r1", None, b"{"));
        assert!(arrived(&mut *inbound, now(0), 9).is_empty());
        let line = &world.endpoints.lines()[0];
        assert!(line.starts_with("r1 400 ") && line.contains("not valid JSON at line 1"), "{line}");
    }

    #[test]
    fn the_check_names_what_is_wrong_and_claims_path_and_verb() {
        for (toml, what) in [
            ("path = '/a/#/b'", "`#` must be the last"),
            ("path = '/a b'", "is no path"),
            ("path = '/a'\nresponse_timeout = '1d'", "out of range"),
            ("path = '/a'\nwaiting_max = 0", "out of range"),
            ("path = '/a'\ntarget = 'body'", "`body` is taken"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
        let found = harness::check(KIND, "path = '/a/+'\nverb = 'GET'");
        assert_eq!(found.claims(), [&Claim::Endpoint { path: Text::new("a/+"), verb: Text::new("GET") }]);
    }
}
