//! `http-response`: answers the HTTP request that began the itinerary.

use indexmap::IndexMap;
use message::{Bytes, Now, Text, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::message_part::{MessagePart, outgoing};
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary};
use crate::services::{HttpResponse, Services};
use crate::template::{Template, TemplateError};

/// Answers the HTTP request that began the itinerary, by the `$httpRequestId` in the message.
///
/// **Message in** with the `$httpRequestId` that an `http-listener` put there. The body of the answer is the text `body`;
/// without it, the property `source`; without that, the property `data` if the message has one, else the whole message,
/// without the node's own `headwater`.
///
/// **Message out** the message as it came, once the answer is given.
///
/// **Failure** the message has no `$httpRequestId`; the request was answered before or has timed out; status, a header or
/// the body cannot be written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// The status, 100 to 599; as a text it may take parts from the message.
    #[serde(deserialize_with = "status")]
    #[schemars(with = "StatusSchema")]
    status: Template,
    /// The body as a text, which may take parts from the message.
    body: Option<Template>,
    /// The property that is the body, or `message` for the whole message.
    source: Option<MessagePart>,
    /// How the body is written when it comes from a property; says the `Content-Type` unless `headers` do.
    format: PayloadFormat,
    /// Headers by name. One that is empty once the parts are put in is left out.
    #[schemars(with = "std::collections::BTreeMap<String, Template>")]
    headers: IndexMap<String, Template>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            status: number_template(200),
            body: None,
            source: None,
            format: PayloadFormat::default(),
            headers: IndexMap::new(),
        }
    }
}

fn number_template(status: u16) -> Template {
    // Digits hold no brace.
    status.to_string().parse().unwrap_or_default()
}

/// A number, or a template that gives one.
fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Template, D::Error> {
    use serde::de::Error;
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text.parse().map_err(D::Error::custom),
        serde_json::Value::Number(number) => match number.as_u64().and_then(|number| u16::try_from(number).ok()) {
            Some(number) => Ok(number_template(number)),
            None => Err(D::Error::custom(format_args!("{number} is no HTTP status: write 100 to 599"))),
        },
        _ => Err(D::Error::custom("expected a status, as in 200 or \"{data.status}\"")),
    }
}

/// The schema of `status`.
struct StatusSchema;

impl JsonSchema for StatusSchema {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpStatus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["integer", "string"],
            "format": "template",
            "minimum": 100,
            "maximum": 599,
            "default": 200,
            "description": "An HTTP status, or a text that gives one, as in `{data.status}`."
        })
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct HttpResponder;

impl Module for HttpResponder {
    const TYPE: &'static str = "http-response";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Answers the HTTP request that began the itinerary.";
    const EXAMPLE: &'static str = r#"status = 201
source = "data"
headers = { x-line = "{data.line}" }
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        if let Some(literal) = settings.status.as_literal()
            && let Err(what) = parse_status(literal)
        {
            checker.problem("status", what, "write a number from 100 to 599");
        }
        for name in settings.headers.keys() {
            if !is_header_name(name) {
                let what = format!("`{name}` is no name of a header");
                checker.problem(&format!("headers.{name}"), what, "use letters, digits and `-`");
            }
        }
        if settings.body.is_some() && settings.source.is_some() {
            checker.problem("source", "`body` says what is sent already", "take one of the two out");
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let environment = &*context.services.environment;
        let ready = |template: Template| template.with_environment(environment);
        let content_type = match &settings.body {
            Some(_) => PayloadFormat::Text.content_type(),
            None => settings.format.content_type(),
        };
        let headers = settings
            .headers
            .into_iter()
            .map(|(name, template)| Ok((Text::from(name.to_ascii_lowercase()), ready(template)?)))
            .collect::<Result<Vec<_>, TemplateError>>()
            .map_err(BuildError::new)?;
        Ok(Built::Step(Box::new(Responder {
            services: context.services.clone(),
            status: ready(settings.status).map_err(BuildError::new)?,
            body: settings.body.map(ready).transpose().map_err(BuildError::new)?,
            source: settings.source,
            format: settings.format,
            content_type,
            headers,
        })))
    }
}

fn parse_status(text: &str) -> Result<u16, String> {
    match text.trim().parse() {
        Ok(status) if (100..=599).contains(&status) => Ok(status),
        _ => Err(format!("`{}` is no HTTP status", text.chars().take(40).collect::<String>())),
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

struct Responder {
    services: Services,
    status: Template,
    body: Option<Template>,
    source: Option<MessagePart>,
    format: PayloadFormat,
    content_type: &'static str,
    headers: Vec<(Text, Template)>,
}

impl Step for Responder {
    fn process(&mut self, _: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        let answered = self.response(&itinerary).and_then(|(id, response)| {
            self.services.endpoints.respond(&id, response).map_err(|error| error.to_string())
        });
        match answered {
            Ok(()) => {
                out.emit(itinerary);
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }
}

impl Responder {
    fn response(&self, itinerary: &Itinerary) -> Result<(Text, HttpResponse), String> {
        let message = &itinerary.message;
        let Some(id) = message.get("$httpRequestId").map(message::Value::to_text) else {
            return Err("the message has no `$httpRequestId`: only what an http-listener began can be answered".into());
        };
        let status = parse_status(&self.status.render(itinerary))?;
        let body = match &self.body {
            Some(body) => Bytes::from(String::from(body.render(itinerary))),
            None => {
                let source = || self.source.as_ref().map_or_else(|| "data".to_owned(), ToString::to_string);
                let value = outgoing(message, self.source.as_ref())
                    .ok_or_else(|| format!("the message has no `{}` to answer with", source()))?;
                self.format.encode(&value).map_err(|error| format!("cannot answer: {error}"))?
            }
        };
        if body.len() > limits::HTTP_BODY_BYTES_MAX {
            let most = limits::HTTP_BODY_BYTES_MAX;
            return Err(format!("the answer has {} bytes: at most {most} are allowed", body.len()));
        }
        Ok((id, HttpResponse { status, headers: self.headers(itinerary)?, body }))
    }

    fn headers(&self, itinerary: &Itinerary) -> Result<Vec<(Text, Text)>, String> {
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, template) in &self.headers {
            let value = template.render(itinerary);
            if value.chars().any(|sign| sign.is_control() && sign != '\t') {
                return Err(format!("the header `{name}` would hold a line break or another control character"));
            }
            if !value.is_empty() {
                headers.push((name.clone(), value));
            }
        }
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push((Text::new_static("content-type"), Text::new_static(self.content_type)));
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, try_message};

    const KIND: &dyn ModuleKind = &Of::<HttpResponder>::new();

    fn check(toml: &str, message: &str, expect: Result<&str, &str>) {
        let world = World::new();
        let mut step = world.step(KIND, toml);
        match (try_message(&mut *step, message), expect) {
            (Ok(passed), Ok(line)) => {
                assert_eq!(passed, [format!("0: {message}")]);
                assert_eq!(world.endpoints.lines(), [line]);
            }
            (Err(what), Err(part)) => assert!(what.contains(part), "{what}"),
            (found, _) => panic!("{toml} {message}: {found:?}"),
        }
    }

    #[test]
    fn it_answers_with_a_text_a_property_or_everything() {
        check("body = 'line {line}'", r#"{"$httpRequestId":"r","line":1}"#, Ok("r 200 line 1"));
        check("status = 201", r#"{"$httpRequestId":"r","data":{"a":1}}"#, Ok(r#"r 201 {"a":1}"#));
        check("status = '{s}'\nsource = 's'", r#"{"$httpRequestId":"r","s":404}"#, Ok("r 404 404"));
    }

    #[test]
    fn what_cannot_be_answered_fails() {
        check("", "{}", Err("no `$httpRequestId`"));
        check("status = '{s}'", r#"{"$httpRequestId":"r","s":"x"}"#, Err("`x` is no HTTP status"));
        check("source = 'x'", r#"{"$httpRequestId":"r"}"#, Err("no `x` to answer with"));
        check("headers = { a = '{x}' }", r#"{"$httpRequestId":"r","x":"1\n2"}"#, Err("the header `a` would hold"));
        let world = World::new();
        let mut step = world.step(KIND, "");
        try_message(&mut *step, r#"{"$httpRequestId":"r"}"#).unwrap();
        assert!(try_message(&mut *step, r#"{"$httpRequestId":"r"}"#).unwrap_err().contains("answered before"));
    }

    #[test]
    fn headers_are_put_in_and_the_content_type_follows_the_format() {
        let world = World::new();
        let mut step = world.step(KIND, "headers = { X-Line = '{line}', X-None = '{none}' }");
        try_message(&mut *step, r#"{"$httpRequestId":"r","line":"l1"}"#).unwrap();
        let answers = world.endpoints.answers.lock().unwrap();
        let headers: Vec<String> =
            answers[0].1.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(headers, ["x-line: l1", "content-type: application/json"]);
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        for (toml, what) in [
            ("status = 99", "`99` is no HTTP status"),
            ("headers = { 'a b' = 'x' }", "`a b` is no name"),
            ("body = 'x'\nsource = 'y'", "says what is sent already"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
    }
}
