//! Variables that templates in settings name. Which settings are templates is told by the schema of the module type,
//! so that no module can forget to have them checked.

use serde_json::{Map, Value as Json};

use super::inspection::{Findings, Inspection};
use super::{Place, Problem, nearest};
use crate::Template;
use message::{ModuleId, Text};

/// Settings nest a few levels; a schema that refers to itself ends here.
const DEPTH_MAX: usize = 32;

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    for (id, module) in &inspection.modules {
        let (Some(kind), Ok(with)) = (module.kind, &module.with) else { continue };
        if !with.values().any(mentions_variables) {
            continue;
        }
        let schema = Json::from(kind.settings_schema());
        let definitions = schema.get("$defs").and_then(Json::as_object).cloned().unwrap_or_default();
        let mut walk = Walk { definitions: &definitions, module: id, declared: &inspection.variables, findings };
        walk.visit(&schema, &Json::Object(with.clone()), "", 0);
    }
}

fn mentions_variables(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("variables."),
        Json::Array(elements) => elements.iter().any(mentions_variables),
        Json::Object(members) => members.values().any(mentions_variables),
        _ => false,
    }
}

struct Walk<'a> {
    definitions: &'a Map<String, Json>,
    module: &'a ModuleId,
    declared: &'a [Text],
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn visit(&mut self, schema: &Json, value: &Json, path: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            let definitions = self.definitions;
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(definition) = definitions.get(name) {
                self.visit(definition, value, path, depth + 1);
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            for branch in schema.get(key).and_then(Json::as_array).into_iter().flatten() {
                self.visit(branch, value, path, depth + 1);
            }
        }
        match value {
            Json::String(text) if schema.get("format").and_then(Json::as_str) == Some("template") => {
                self.check_template(text, path);
            }
            Json::Object(members) => {
                for (key, member) in members {
                    let own = schema.get("properties").and_then(|properties| properties.get(key));
                    if let Some(below) = own.or_else(|| schema.get("additionalProperties")) {
                        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                        self.visit(below, member, &path, depth + 1);
                    }
                }
            }
            Json::Array(elements) => {
                if let Some(below) = schema.get("items") {
                    for (index, element) in elements.iter().enumerate() {
                        self.visit(below, element, &format!("{path}[{index}]"), depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn check_template(&mut self, text: &str, path: &str) {
        // What is no template is reported where the settings are read.
        let Ok(template) = text.parse::<Template>() else { return };
        for name in template.variables() {
            if !self.declared.contains(name) {
                let hint = nearest::hint(name, self.declared.iter().map(Text::as_str), "declare it under [variables]");
                let what = format!("undeclared variable `{name}`");
                let problem = Problem::error(Place::setting(self.module, path), what, hint);
                // Two branches of a schema may both lead here.
                if !self.findings.problems.contains(&problem) {
                    self.findings.push(problem);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::{expect_clean, expect_problems};

    #[test]
    fn undeclared_variables_in_templates_are_found_at_any_depth() {
        expect_problems(
            r#"
            [variables]
            limit = { type = "number" }
            [modules.in]
            type = "test-in"
            with = { topic = "a" }
            [modules.step]
            type = "test-step"
            with = { name = "{variables.limt} {variables.limit}", labels = { a = "{variables.x}" }, list = ["{variables.y}"] }
            [[connections]]
            from = "in"
            to = "step"
            "#,
            &[
                "modules.step.with.name: undeclared variable `limt` (did you mean `limit`?)",
                "modules.step.with.labels.a: undeclared variable `x` (known: `limit`)",
                "modules.step.with.list[0]: undeclared variable `y` (known: `limit`)",
            ],
        );
    }

    #[test]
    fn a_text_that_is_no_template_may_hold_anything() {
        expect_clean(
            r#"
            [modules.in]
            type = "test-in"
            with = { topic = "{variables.x}" }
            "#,
        );
    }
}
