//! Texts in settings that take parts from the message: `factory/{data.line}/temperature`.

use std::borrow::Cow;
use std::str::FromStr;

use message::{Text, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::run::Itinerary;
use crate::services::Environment;

/// A text with parts in braces: `{a.b}` from the message, `{message}` for the whole of it, `{variables.x}`, `{context.flow}`,
/// `{env.NAME}`. A brace itself is written twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(Text),
    Message,
    Property(message::value::Path),
    Variable(Text),
    Context(message::value::Path),
    Environment(Text),
}

impl Template {
    /// The text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text itself, when it takes no part from anywhere.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The names of the variables that the text reads.
    pub fn variables(&self) -> impl Iterator<Item = &Text> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name),
            _ => None,
        })
    }

    /// The pieces of the text that come from nowhere else.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The text with `+` for each level that comes from a message: how the topic of a publisher is shown and joined.
    pub fn as_topic_filter(&self) -> String {
        let text: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.as_str(),
                _ => "\u{0}",
            })
            .collect();
        let levels: Vec<&str> =
            text.split('/').map(|level| if level.contains('\u{0}') { "+" } else { level }).collect();
        levels.join("/")
    }

    /// Puts the node's environment in, once, when the module is made ready.
    pub fn with_environment(mut self, environment: &dyn Environment) -> Result<Self, TemplateError> {
        for part in &mut self.parts {
            if let Part::Environment(name) = part {
                let value =
                    environment.variable(name).ok_or_else(|| TemplateError::NoEnvironment { name: name.clone() })?;
                *part = Part::Literal(Text::from(value));
            }
        }
        Ok(self)
    }

    /// The value for one itinerary: a text that is nothing but one part in braces keeps the type of what it takes,
    /// null when that is missing; any other is a text.
    pub fn value(&self, itinerary: &Itinerary) -> Value {
        match self.parts.as_slice() {
            [Part::Message] => itinerary.message.clone(),
            [Part::Property(path)] => itinerary.message.at(path).cloned().unwrap_or_default(),
            [Part::Variable(name)] => {
                itinerary.flow().variables.get(&itinerary.variables, name).cloned().unwrap_or_default()
            }
            [Part::Context(path)] => itinerary.context_value().at(path).cloned().unwrap_or_default(),
            _ => Value::Text(self.render(itinerary)),
        }
    }

    /// The text for one itinerary. What is missing in the message is an empty text.
    pub fn render(&self, itinerary: &Itinerary) -> Text {
        match self.parts.as_slice() {
            [] => Text::default(),
            [only] => part_text(only, itinerary).map_or_else(Text::default, Cow::into_owned),
            parts => {
                let mut text = String::with_capacity(self.source.len());
                for part in parts {
                    if let Some(part) = part_text(part, itinerary) {
                        text.push_str(&part);
                    }
                }
                Text::from(text)
            }
        }
    }
}

fn part_text<'a>(part: &'a Part, itinerary: &Itinerary) -> Option<Cow<'a, Text>> {
    let text = |value: &Value| Cow::Owned(value.to_text());
    match part {
        Part::Literal(text) => Some(Cow::Borrowed(text)),
        Part::Message => Some(text(&itinerary.message)),
        Part::Property(path) => itinerary.message.at(path).map(text),
        Part::Variable(name) => itinerary.flow().variables.get(&itinerary.variables, name).map(text),
        Part::Context(path) => itinerary.context_value().at(path).map(text),
        Part::Environment(_) => None,
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(place);
            literal.push_str(before);
            if let Some(after) = from_brace.strip_prefix("{{").or_else(|| from_brace.strip_prefix("}}")) {
                literal.push_str(from_brace.get(..1).unwrap_or_default());
                rest = after;
            } else {
                let inner = from_brace.strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let Some((inner, after)) = inner else {
                    return Err(TemplateError::Unbalanced { template: source.chars().take(80).collect() });
                };
                if !literal.is_empty() {
                    parts.push(Part::Literal(Text::from(std::mem::take(&mut literal))));
                }
                parts.push(parse_part(inner.trim())?);
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(Text::from(literal)));
        }
        Ok(Self { source: source.to_owned(), parts })
    }
}

fn parse_part(inner: &str) -> Result<Part, TemplateError> {
    let path = |text: &str| {
        text.parse().map_err(|error: message::value::PathError| TemplateError::BadPart { what: error.to_string() })
    };
    if inner == "message" {
        return Ok(Part::Message);
    }
    if let Some(name) = inner.strip_prefix("variables.") {
        return Ok(Part::Variable(Text::new(name)));
    }
    if let Some(name) = inner.strip_prefix("env.") {
        return Ok(Part::Environment(Text::new(name)));
    }
    if let Some(rest) = inner.strip_prefix("context.") {
        return Ok(Part::Context(path(rest)?));
    }
    Ok(Part::Property(path(inner.strip_prefix("message.").unwrap_or(inner))?))
}

impl serde::Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> serde::Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "template",
            "description": "A text that may take parts from the message, as in `{data.line}`, `{variables.limit}`, `{context.flow}`, `{env.NAME}`."
        })
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{template}` has a brace without its partner: write `{{{{` for a brace that is meant as such")]
    Unbalanced { template: String },
    #[error("{what}")]
    BadPart { what: String },
    #[error("the environment variable `{name}` is not set on this node: set it, or take `{{env.{name}}}` out")]
    NoEnvironment { name: Text },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        text.parse().unwrap()
    }

    #[test]
    fn a_topic_with_parts_from_the_message_is_shown_with_plus() {
        assert_eq!(template("factory/{line}/t{data.n}/x").as_topic_filter(), "factory/+/+/x");
        assert_eq!(template("factory/line").as_topic_filter(), "factory/line");
    }

    #[test]
    fn braces_are_written_twice_to_be_meant() {
        assert_eq!(template("a{{b}}").as_literal(), Some("a{b}"));
        assert!(template("{data}").as_literal().is_none());
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, what) in [("a{b", "partner"), ("a}b", "partner"), ("{a..b}", "path"), ("{}", "path")] {
            let error = text.parse::<Template>().unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
