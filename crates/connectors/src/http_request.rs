//! `http-request`: sends a request to an HTTP server and takes its answer into the message.

use std::rc::Rc;
use std::time::Duration;

use flow::build::{BuildContext, BuildError};
use flow::check::{Checker, Claim};
use flow::module::{Built, Direction, Failure, Module, Waiting, WaitingStep};
use flow::modules::{MessagePart, PayloadFormat, as_found, outgoing, read_http_body};
use flow::run::Itinerary;
use flow::services::Environment;
use flow::{Span, Template};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use indexmap::IndexMap;
use message::{Bytes, Now, Object, Text, Value, limits};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http_client::{HttpAnswer, HttpClient};
use crate::http_credential::Credential;

/// Sends a request to an HTTP server and takes its answer into the message.
///
/// **Message in** The body is the text `body`; without it, the property `source`. Without both, POST, PUT and PATCH send
/// the property `data` if the message has one, else the whole message, and GET and DELETE send none.
///
/// **Message out** the message with `{ status, headers, data }` in `target`: `data` is the body of the answer, read by
/// its `Content-Type` or by `response_format`; an empty body is null.
///
/// **Failure** the server cannot be reached or gives no answer in time; the answer is too large or cannot be read; its
/// status is not 2xx nor in `accept_status`. Redirects are not followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where to, as in `https://example.com/lines/{line}`. Signs that no URL may hold are encoded.
    url: Template,
    /// What the request asks for, as in `POST`.
    #[serde(default)]
    verb: Verb,
    /// Header fields by name. One that is empty once the parts are put in is left out.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, Template>")]
    headers: IndexMap<String, Template>,
    /// Who the node is to the server.
    #[serde(default)]
    credential: Option<Credential>,
    /// The body as a text, which may take parts from the message.
    #[serde(default)]
    body: Option<Template>,
    /// The property that is the body, or `message` for the whole message.
    #[serde(default)]
    source: Option<MessagePart>,
    /// How the body is written when it comes from a property; says the `Content-Type` unless `headers` do.
    #[serde(default)]
    format: PayloadFormat,
    /// The property that takes the answer.
    #[serde(default = "response")]
    target: MessagePart,
    /// How the body of the answer is read, whatever its `Content-Type` says.
    #[serde(default)]
    response_format: Option<PayloadFormat>,
    /// Statuses beside 2xx that are no failure, as in `[404]`.
    #[serde(default)]
    accept_status: Vec<u16>,
    /// How long to wait for the whole answer; at most `10m`.
    #[serde(default = "thirty_seconds")]
    timeout: Span,
    /// Bytes of an answer that are taken, 1 to 16,777,216.
    #[serde(default = "response_bytes_max")]
    #[schemars(range(min = 1, max = 16_777_216))]
    response_bytes_max: u32,
    /// Requests that may be under way at once, 1 to 100. With 1 the server gets them in order.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    in_flight: u32,
}

fn response() -> MessagePart {
    MessagePart::member("response")
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

fn response_bytes_max() -> u32 {
    limits::HTTP_RESPONSE_BYTES_MAX as u32
}

fn one() -> u32 {
    1
}

/// The verb of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    fn sends_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// The module type.
#[derive(Debug)]
pub(crate) struct HttpRequest;

impl Module for HttpRequest {
    const TYPE: &'static str = "http-request";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Sends a request to an HTTP server and takes its answer.";
    const EXAMPLE: &'static str = r#"url = "https://example.com/lines/{line}/readings"
verb = "POST"
source = "data"
headers = { x-node = "{context.node}" }
credential = { kind = "bearer", token = "secret://example-token" }
timeout = "10s"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Err(what) = check_url(settings.url.source()) {
            checker.problem("url", what, "write a URL as in `https://example.com/path`");
        }
        for name in settings.headers.keys() {
            if HeaderName::try_from(name.as_str()).is_err() {
                let what = format!("`{name}` is no name of a header");
                checker.problem(&format!("headers.{name}"), what, "use letters, digits and `-`");
            }
        }
        if let Some(credential) = &settings.credential {
            credential.check(checker);
        }
        if settings.body.is_some() && settings.source.is_some() {
            checker.problem("source", "`body` says what is sent already", "take one of the two out");
        }
        if settings.accept_status.iter().any(|status| !(200..=599).contains(status)) {
            checker.problem("accept_status", "it holds a number that is no status", "write numbers from 200 to 599");
        }
        settings.timeout.check("timeout", Span::from_millis(1), Span::from_secs(600), checker);
        if !(1..=100).contains(&settings.in_flight) {
            checker.problem("in_flight", "out of range", "write a number from 1 to 100");
        }
        if settings.response_bytes_max == 0 || settings.response_bytes_max > response_bytes_max() {
            checker.problem("response_bytes_max", "out of range", "write a number from 1 to 16777216");
        }
        let url = Text::from(settings.url.as_topic_filter());
        checker.claim(Claim::Request { url, verb: Text::new(settings.verb.method().as_str()) });
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        check_url(settings.url.source()).map_err(BuildError::new)?;
        let environment = &*context.services.environment;
        let in_flight = settings.in_flight.clamp(1, 100) as usize;
        let is_plain = settings.url.source().starts_with("http://");
        let client = HttpClient::new(in_flight, !is_plain).map_err(BuildError::new)?;
        let requester = Requester::new(settings, client, environment).map_err(BuildError::new)?;
        Ok(Built::Waiting(Box::new(Sender { requester: Rc::new(requester), in_flight })))
    }
}

/// Whether the fixed part of a URL is one that can be sent to.
fn check_url(url: &str) -> Result<(), String> {
    if url.starts_with('{') {
        // The scheme, too, comes from the message: it shows only then.
        return Ok(());
    }
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else { return Err("the URL does not begin with `http://` or `https://`".to_owned()) };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return Err("the URL names no host".to_owned());
    }
    if host.contains('@') {
        return Err("the URL holds a user name: name it in `credential`".to_owned());
    }
    Ok(())
}

/// What no URL may hold; `%` is left, as what comes encoded shall stay so.
const NOT_IN_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

struct Sender {
    requester: Rc<Requester>,
    in_flight: usize,
}

impl WaitingStep for Sender {
    fn begin(&mut self, _: Now, mut itinerary: Itinerary) -> Waiting {
        let requester = Rc::clone(&self.requester);
        Box::pin(async move {
            match requester.exchange(&mut itinerary).await {
                Ok(()) => Ok(vec![(0, itinerary)]),
                Err(what) => Err(Failure::new(itinerary, what)),
            }
        })
    }

    fn in_flight_max(&self) -> usize {
        self.in_flight
    }
}

struct Requester {
    client: HttpClient,
    url: Template,
    verb: Verb,
    headers: Vec<(HeaderName, Template)>,
    authorization: Option<HeaderValue>,
    body: Option<Template>,
    source: Option<MessagePart>,
    format: PayloadFormat,
    target: MessagePart,
    response_format: Option<PayloadFormat>,
    accept_status: Vec<u16>,
    timeout: Duration,
    bytes_max: usize,
}

impl Requester {
    fn new(settings: Settings, client: HttpClient, environment: &dyn Environment) -> Result<Self, String> {
        let ready = |template: Template| template.with_environment(environment).map_err(|error| error.to_string());
        let headers = settings.headers.into_iter().map(|(name, template)| {
            let header = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is no name of a header"))?;
            Ok((header, ready(template)?))
        });
        Ok(Self {
            client,
            url: ready(settings.url)?,
            verb: settings.verb,
            headers: headers.collect::<Result<_, String>>()?,
            authorization: settings.credential.map(|credential| credential.resolve(environment)).transpose()?,
            body: settings.body.map(ready).transpose()?,
            source: settings.source,
            format: settings.format,
            target: settings.target,
            response_format: settings.response_format,
            accept_status: settings.accept_status,
            timeout: settings.timeout.as_duration(),
            bytes_max: settings.response_bytes_max as usize,
        })
    }

    async fn exchange(&self, itinerary: &mut Itinerary) -> Result<(), String> {
        let request = self.request(itinerary)?;
        let asked = format!("`{} {}`", request.method(), shown(request.uri()));
        let answer = self.client.send(request, self.timeout, self.bytes_max).await;
        let answer = answer.map_err(|error| format!("{asked}: {error}"))?;
        let status = answer.status;
        if !status.is_success() && !self.accept_status.contains(&status.as_u16()) {
            return Err(format!("{asked}: answered {status}{}", first_words(&answer.body)));
        }
        let data = self.read(&answer).map_err(|what| format!("{asked}: {what}"))?;
        self.target.write(&mut itinerary.message, result_of(&answer, data)).map_err(|error| error.to_string())
    }

    fn request(&self, itinerary: &Itinerary) -> Result<Request<Full<Bytes>>, String> {
        let rendered = self.url.render(itinerary);
        check_url(&rendered).map_err(|what| format!("`{}`: {what}", rendered.chars().take(200).collect::<String>()))?;
        let encoded = utf8_percent_encode(&rendered, NOT_IN_URL).to_string();
        let uri = Uri::try_from(encoded.as_str())
            .ok()
            .filter(|uri| uri.host().is_some())
            .ok_or_else(|| format!("`{}` is no URL", encoded.chars().take(200).collect::<String>()))?;
        let (body, content_type) = self.body_of(&itinerary.message, itinerary)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.verb.method();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("headwater/", env!("CARGO_PKG_VERSION"))));
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, template) in &self.headers {
            let text = template.render(itinerary);
            if text.is_empty() {
                continue;
            }
            let value = HeaderValue::try_from(text.as_str())
                .map_err(|_| format!("the header `{name}` would hold a line break or another control character"))?;
            headers.insert(name.clone(), value);
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn body_of(&self, message: &Value, itinerary: &Itinerary) -> Result<(Bytes, Option<&'static str>), String> {
        if let Some(body) = &self.body {
            let text = String::from(body.render(itinerary));
            return Ok((Bytes::from(text), Some(PayloadFormat::Text.content_type())));
        }
        if self.source.is_none() && !self.verb.sends_body() {
            return Ok((Bytes::new(), None));
        }
        let value = outgoing(message, self.source.as_ref()).ok_or_else(|| {
            let source = self.source.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the message has no `{source}` to send")
        })?;
        let body = self.format.encode(&value).map_err(|error| format!("the body cannot be written: {error}"))?;
        Ok((body, Some(self.format.content_type())))
    }

    fn read(&self, answer: &HttpAnswer) -> Result<Value, String> {
        let told = |error: &dyn std::fmt::Display| format!("the answer cannot be read: {error}");
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        if let Some(format) = self.response_format {
            return format.decode(&answer.body).map_err(|error| told(&error));
        }
        match answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
            Some(content_type) => {
                read_http_body(Some(content_type), PayloadFormat::Raw, &answer.body).map_err(|error| told(&error))
            }
            None => Ok(as_found(&answer.body)),
        }
    }
}

fn result_of(answer: &HttpAnswer, data: Value) -> Value {
    let mut headers = Object::with_capacity(answer.headers.keys_len());
    for name in answer.headers.keys() {
        let values: Vec<_> =
            answer.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str(), Value::from(values.join(", ")));
    }
    let mut result = Object::with_capacity(3);
    result.insert("status", Value::from(u32::from(answer.status.as_u16())));
    result.insert("headers", Value::from(headers));
    result.insert("data", data);
    Value::from(result)
}

/// A URL for messages: without its query, which may hold what is nobody's business.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path()).chars().take(300).collect()
}

/// What a server says about its refusal, in short.
fn first_words(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(1024)).unwrap_or_default());
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}

#[cfg(test)]
mod tests;
