//! Parameters: what a node may set differently. The one place where `{{name}}` in settings becomes a value.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use message::Text;
use serde_json::{Map, Value as Json};

use super::inspection::{Findings, Inspection};
use super::{Place, Problem, nearest};
use crate::model::Flow;

/// The value of each parameter on this node: the node's own if it is of the right type, else the default.
/// A parameter that has neither is missing.
pub fn resolve_parameters(flow: &Flow, overrides: &BTreeMap<String, Json>) -> IndexMap<Text, Json> {
    flow.parameters
        .iter()
        .filter_map(|(name, parameter)| {
            let own = overrides.get(name.as_str()).filter(|value| parameter.kind.accepts(value));
            Some((name.clone(), own.or(parameter.default.as_ref())?.clone()))
        })
        .collect()
}

/// A setting that names a parameter without a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown parameter `{{{{{name}}}}}` in `{path}`: declare it under [parameters]")]
pub struct SubstituteError {
    /// Where in the settings, as in `values.temperature`.
    pub path: String,
    pub name: String,
}

/// Puts parameters into settings. A text that is exactly `{{name}}` becomes the value with its type; within a longer
/// text the value becomes part of the text, a text as it is and all else as JSON. Keys are left alone.
pub fn substitute(
    with: &Map<String, Json>,
    parameters: &IndexMap<Text, Json>,
) -> Result<Map<String, Json>, Vec<SubstituteError>> {
    let mut errors = Vec::new();
    let mut substituted = with.clone();
    for (key, value) in &mut substituted {
        substitute_value(value, key, parameters, &mut errors);
    }
    if errors.is_empty() { Ok(substituted) } else { Err(errors) }
}

fn substitute_value(
    value: &mut Json,
    path: &str,
    parameters: &IndexMap<Text, Json>,
    errors: &mut Vec<SubstituteError>,
) {
    match value {
        Json::String(text) if text.contains("{{") => *value = substitute_text(text, path, parameters, errors),
        Json::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                substitute_value(element, &format!("{path}[{index}]"), parameters, errors);
            }
        }
        Json::Object(members) => {
            for (key, member) in members {
                substitute_value(member, &format!("{path}.{key}"), parameters, errors);
            }
        }
        _ => {}
    }
}

fn substitute_text(
    text: &str,
    path: &str,
    parameters: &IndexMap<Text, Json>,
    errors: &mut Vec<SubstituteError>,
) -> Json {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_parameter(rest) {
        match parameters.get(name) {
            Some(value) if before.is_empty() && after.is_empty() && made.is_empty() => return value.clone(),
            Some(Json::String(value)) => made.extend([before, value.as_str()]),
            Some(value) => made.extend([before, value.to_string().as_str()]),
            None => errors.push(SubstituteError { path: path.to_owned(), name: name.to_owned() }),
        }
        rest = after;
    }
    made.push_str(rest);
    Json::String(made)
}

/// The text before the next `{{name}}`, the name, and the text after it. Double braces around anything but a name
/// are no parameter: templates write a brace that is meant as such in this way.
fn next_parameter(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("{{")?;
        let inside = text.get(start + 2..)?;
        if let Some((name, after)) = inside.split_once("}}")
            && is_parameter_name(name.trim())
        {
            return Some((text.get(..start)?, name.trim(), after));
        }
        from = start + 1;
    }
}

fn is_parameter_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_' || sign == '-')
}

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    for (name, parameter) in &inspection.flow.parameters {
        let at = || Place::flow(format!("parameters.{name}"));
        let wanted = parameter.kind.name();
        if !is_parameter_name(name) {
            let what = format!("`{name}` is no parameter name");
            findings.push(Problem::error(at(), what, "use a-z, A-Z, 0-9, `_`, `-`, and begin with a letter"));
        }
        let default = parameter.default.as_ref();
        if default.is_some_and(|value| !parameter.kind.accepts(value)) {
            let what = format!("the default of parameter `{name}` is not of its type {wanted}");
            findings.push(Problem::error(at(), what, "change the default or the type"));
        }
        match inspection.overrides.get(name.as_str()) {
            Some(value) if !parameter.kind.accepts(value) => {
                let what = format!("this node's value of parameter `{name}` is not of its type {wanted}");
                findings.push(Problem::error(at(), what, "change the value on the node"));
            }
            None if default.is_none() => {
                let what = format!("parameter `{name}` has no default and is not set on this node");
                findings.push(Problem::error(at(), what, "give it a default, or set it on the node"));
            }
            _ => {}
        }
    }
    check_uses(inspection, findings);
}

/// Settings that name parameters which do not exist. One that exists without a value is reported where it is declared.
fn check_uses(inspection: &Inspection<'_>, findings: &mut Findings) {
    let declared = &inspection.flow.parameters;
    for (id, module) in &inspection.modules {
        for error in module.with.as_ref().err().into_iter().flatten() {
            if !declared.contains_key(error.name.as_str()) {
                let what = format!("unknown parameter `{{{{{}}}}}`", error.name);
                let none = "declare it under [parameters]";
                let hint = nearest::hint(&error.name, declared.keys().map(Text::as_str), none);
                findings.push(Problem::error(Place::setting(id, error.path.clone()), what, hint));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_catalog::{expect_clean, expect_problems};
    use serde_json::json;

    fn put_in(text: &str) -> Result<Json, Vec<SubstituteError>> {
        let parameters: IndexMap<Text, Json> =
            [("line", json!("l1")), ("max", json!(7)), ("tags", json!(["a"])), ("odd", json!("{{max}}"))]
                .into_iter()
                .map(|(name, value)| (Text::new(name), value))
                .collect();
        let Json::Object(with) = json!({"deep": [{"text": text}]}) else { unreachable!() };
        substitute(&with, &parameters).map(|with| with["deep"][0]["text"].clone())
    }

    #[test]
    fn a_whole_text_keeps_the_type_and_a_part_becomes_text() {
        for (text, value) in [
            ("{{max}}", json!(7)),
            ("{{ max }}", json!(7)),
            ("{{tags}}", json!(["a"])),
            ("plc/{{line}}/+", json!("plc/l1/+")),
            ("{{line}}-{{max}}-{{tags}}", json!("l1-7-[\"a\"]")),
            ("{{max}}{{max}}", json!("77")),
            ("{line}", json!("{line}")),
            ("{{}}", json!("{{}}")),
            ("{{\"a\": 1}}", json!("{{\"a\": 1}}")),
            ("{{{line}}}", json!("{l1}")),
            ("{{line", json!("{{line")),
            // What a parameter holds is not looked into again.
            ("{{odd}} x", json!("{{max}} x")),
        ] {
            assert_eq!(put_in(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_with_its_place() {
        let errors = put_in("a {{lime}} {{line}}").unwrap_err();
        assert_eq!(errors, [SubstituteError { path: "deep[0].text".to_owned(), name: "lime".to_owned() }]);
        assert_eq!(
            errors[0].to_string(),
            "unknown parameter `{{lime}}` in `deep[0].text`: declare it under [parameters]"
        );
    }

    #[test]
    fn every_mistake_with_parameters_is_found() {
        expect_problems(
            r#"
            [parameters]
            line = { type = "number", default = "l1" }
            site = { type = "string" }
            "1st" = { type = "string", default = "x" }
            [modules.in]
            type = "test-in"
            with = { topic = "{{lime}}/{{line}}" }
            "#,
            &[
                "parameters.line: the default of parameter `line` is not of its type number (change the default or the type)",
                "parameters.site: parameter `site` has no default and is not set on this node (give it a default, or set it on the node)",
                "parameters.1st: `1st` is no parameter name (use a-z, A-Z, 0-9, `_`, `-`, and begin with a letter)",
                "modules.in.with.topic: unknown parameter `{{lime}}` (did you mean `line`?)",
            ],
        );
        expect_clean(
            r#"
            [parameters]
            line = { type = "string", default = "l1" }
            [modules.in]
            type = "test-in"
            with = { topic = "{{line}}/+" }
            "#,
        );
    }
}
