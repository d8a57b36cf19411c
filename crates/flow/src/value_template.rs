//! Values in settings whose texts take parts from the message: `{ line = "{data.line}", limit = 30 }`.

use std::borrow::Cow;

use message::{Object, Text, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::check::Checker;
use crate::run::Itinerary;
use crate::services::Environment;
use crate::template::{Template, TemplateError};

/// A value of any shape in which every text is a [`Template`]. A text that is nothing but one part, as in `"{data.limit}"`,
/// keeps the type of what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTemplate {
    source: serde_json::Value,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Fixed(Value),
    Text(Template),
    Array(Vec<Shape>),
    Object(Vec<(Text, Shape)>),
}

impl ValueTemplate {
    /// Reads a value; fails on a text that is no template.
    pub fn new(source: serde_json::Value) -> Result<Self, TemplateError> {
        Ok(Self { shape: Shape::read(&source)?, source })
    }

    /// Reports the setting at `path` when a text reads a variable that the flow does not declare.
    pub fn check(&self, path: &str, checker: &mut Checker<'_>) {
        self.shape.check(path, checker);
    }

    /// Puts the node's environment in, once, when the module is made ready.
    pub fn with_environment(mut self, environment: &dyn Environment) -> Result<Self, TemplateError> {
        self.shape = self.shape.with_environment(environment)?;
        Ok(self)
    }

    /// The value for one itinerary.
    pub fn render(&self, itinerary: &Itinerary) -> Value {
        self.shape.render(itinerary)
    }
}

impl Shape {
    fn read(source: &serde_json::Value) -> Result<Self, TemplateError> {
        Ok(match source {
            serde_json::Value::String(text) => {
                let template: Template = text.parse()?;
                match template.as_literal() {
                    Some(literal) => Self::Fixed(Value::from(literal)),
                    None => Self::Text(template),
                }
            }
            serde_json::Value::Array(elements) => {
                let elements = elements.iter().map(Self::read).collect::<Result<Vec<_>, _>>()?;
                match elements.iter().map(Self::as_fixed).collect::<Option<Vec<_>>>() {
                    Some(fixed) => Self::Fixed(Value::from(fixed)),
                    None => Self::Array(elements),
                }
            }
            serde_json::Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, member)| Ok((Text::new(name), Self::read(member)?)))
                    .collect::<Result<Vec<_>, TemplateError>>()?;
                let fixed = members.iter().map(|(name, member)| Some((name.clone(), member.as_fixed()?)));
                match fixed.collect::<Option<Object>>() {
                    Some(fixed) => Self::Fixed(Value::from(fixed)),
                    None => Self::Object(members),
                }
            }
            plain => Self::Fixed(serde_json::from_value(plain.clone()).unwrap_or_default()),
        })
    }

    fn as_fixed(&self) -> Option<Value> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            _ => None,
        }
    }

    fn check(&self, path: &str, checker: &mut Checker<'_>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(template) => {
                let declared = checker.variables();
                for name in template.variables().filter(|name| !declared.contains(name)) {
                    let what = format!("variable `{name}` is not declared");
                    checker.problem(path, what, "declare it under [variables], or correct the name");
                }
            }
            Self::Array(elements) => {
                for (place, element) in elements.iter().enumerate() {
                    element.check(&format!("{path}[{place}]"), checker);
                }
            }
            Self::Object(members) => {
                for (name, member) in members {
                    member.check(&format!("{path}.{name}"), checker);
                }
            }
        }
    }

    fn with_environment(self, environment: &dyn Environment) -> Result<Self, TemplateError> {
        Ok(match self {
            Self::Fixed(value) => Self::Fixed(value),
            Self::Text(template) => Self::Text(template.with_environment(environment)?),
            Self::Array(elements) => Self::Array(
                elements
                    .into_iter()
                    .map(|element| element.with_environment(environment))
                    .collect::<Result<_, TemplateError>>()?,
            ),
            Self::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, member)| Ok((name, member.with_environment(environment)?)))
                    .collect::<Result<_, TemplateError>>()?,
            ),
        })
    }

    fn render(&self, itinerary: &Itinerary) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => template.value(itinerary),
            Self::Array(elements) => {
                elements.iter().map(|element| element.render(itinerary)).collect::<Vec<_>>().into()
            }
            Self::Object(members) => {
                let mut object = Object::with_capacity(members.len());
                for (name, member) in members {
                    object.insert(name.clone(), member.render(itinerary));
                }
                Value::from(object)
            }
        }
    }
}

impl serde::Serialize for ValueTemplate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for ValueTemplate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(serde_json::Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ValueTemplate {
    fn schema_name() -> Cow<'static, str> {
        "ValueTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "format": "value-template",
            "description": "Any value; its texts may take parts from the message, as in `{data.line}`. A text that is one such part keeps the part's type."
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::modules::harness;

    #[test]
    fn a_text_that_is_one_part_keeps_its_type_and_others_become_text() {
        let template = ValueTemplate::new(json!({
            "n": "{data.n}", "t": "n is {data.n}", "list": [1, "{missing}"], "plain": {"a": [true, "x"]}
        }))
        .unwrap();
        let itinerary = harness::itinerary(r#"{"data":{"n":7}}"#);
        assert_eq!(
            template.render(&itinerary).to_json(),
            r#"{"n":7,"t":"n is 7","list":[1,null],"plain":{"a":[true,"x"]}}"#
        );
    }

    #[test]
    fn a_broken_text_inside_is_refused() {
        assert!(ValueTemplate::new(json!({"a": ["{b"]})).is_err());
    }
}
