//! The JSON Schema of a flow file, made from the model and from the settings of every module type, so that editors
//! complete and check flow files. What only a look at the whole flow tells is found by `check`.

use serde_json::{Map, Value as Json, json};

use crate::Catalog;
use crate::model::Flow;
use crate::module::ModuleKind;

const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
const PARAMETER: &str = "parameter-reference";

/// The schema of a flow file whose modules are of these types (JSON Schema 2020-12).
pub fn flow_schema(catalog: &Catalog) -> Json {
    let mut root = schemars::schema_for!(Flow).to_value();
    let mut definitions = take_definitions(&mut root);
    let parameter = json!({
        "type": "string",
        "pattern": r"^\{\{ *[A-Za-z_][A-Za-z0-9_-]* *\}\}$",
        "description": "A parameter of the flow, as in `{{line}}`: its value stands here with its type."
    });
    definitions.insert(PARAMETER.to_owned(), parameter);
    let rules: Vec<Json> = catalog.kinds().iter().map(|kind| add_settings(*kind, &mut definitions)).collect();
    if let Some(Json::Object(module)) = definitions.get_mut("ModuleSpec") {
        let names: Vec<&str> = catalog.kinds().iter().map(|kind| kind.type_name()).collect();
        if let Some(type_name) = module.get_mut("properties").and_then(|properties| properties.get_mut("type")) {
            set(type_name, "enum", json!(names));
        }
        module.insert("allOf".to_owned(), Json::Array(rules));
    }
    for table in ["modules", "layout"] {
        if let Some(schema) = root.get_mut("properties").and_then(|properties| properties.get_mut(table)) {
            set(schema, "propertyNames", json!({ "pattern": ID_PATTERN }));
        }
    }
    if let Some(id) = root.get_mut("properties").and_then(|properties| properties.get_mut("id")) {
        set(id, "pattern", json!(ID_PATTERN));
    }
    set(&mut root, "title", json!("Headwater flow"));
    set(&mut root, "$defs", Json::Object(definitions));
    root
}

/// Adds the settings of one module type to the definitions and gives the rule that binds them to the type.
fn add_settings(kind: &'static dyn ModuleKind, definitions: &mut Map<String, Json>) -> Json {
    let name = kind.type_name();
    let mut settings = kind.settings_schema().to_value();
    if let Json::Object(members) = &mut settings {
        members.shift_remove("$schema");
    }
    let inner = take_definitions(&mut settings);
    // What refers to others might refer to different ones in another module type: only what stands alone is shared.
    let own_name = |inner: &str, schema: &Json| {
        let stands_alone = !schema.to_string().contains("\"$ref\"");
        let is_free = definitions.get(inner).is_none_or(|known| *known == with_parameters(schema));
        if stands_alone && is_free { inner.to_owned() } else { format!("{name}.{inner}") }
    };
    let renamed: Vec<(String, String)> =
        inner.iter().map(|(old, schema)| (old.clone(), own_name(old, schema))).collect();
    let rename_all = |schema: &mut Json| {
        for (old, new) in &renamed {
            rename(schema, &format!("#/$defs/{old}"), &format!("#/$defs/{new}"));
        }
    };
    rename_all(&mut settings);
    for ((_, mut schema), (_, new)) in inner.into_iter().zip(&renamed) {
        rename_all(&mut schema);
        definitions.insert(new.clone(), with_parameters(&schema));
    }
    let needed = settings.get("required").and_then(Json::as_array).is_some_and(|required| !required.is_empty());
    definitions.insert(name.to_owned(), with_parameters(&settings));
    let mut then = json!({ "properties": { "with": { "$ref": format!("#/$defs/{name}") } } });
    if needed {
        set(&mut then, "required", json!(["with"]));
    }
    json!({ "if": { "properties": { "type": { "const": name } }, "required": ["type"] }, "then": then })
}

fn take_definitions(schema: &mut Json) -> Map<String, Json> {
    match schema.as_object_mut().and_then(|members| members.shift_remove("$defs")) {
        Some(Json::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

fn set(schema: &mut Json, key: &str, value: Json) {
    if let Json::Object(members) = schema {
        members.insert(key.to_owned(), value);
    }
}

fn rename(schema: &mut Json, old: &str, new: &str) {
    match schema {
        Json::Object(members) => {
            for (key, member) in members {
                match member {
                    Json::String(reference) if key == "$ref" && reference == old => *reference = new.to_owned(),
                    member => rename(member, old, new),
                }
            }
        }
        Json::Array(elements) => elements.iter_mut().for_each(|element| rename(element, old, new)),
        _ => {}
    }
}

/// The schema with a parameter allowed wherever a setting stands that is not any text already.
fn with_parameters(schema: &Json) -> Json {
    let Json::Object(members) = schema else { return schema.clone() };
    let inner = |key: &str, value: &Json| match (key, value) {
        ("properties", Json::Object(properties)) => {
            Json::Object(properties.iter().map(|(name, schema)| (name.clone(), or_parameter(schema))).collect())
        }
        ("items" | "additionalProperties", schema) if schema.is_object() => or_parameter(schema),
        ("anyOf" | "oneOf" | "allOf" | "prefixItems", Json::Array(branches)) => {
            Json::Array(branches.iter().map(with_parameters).collect())
        }
        (_, value) => value.clone(),
    };
    Json::Object(members.iter().map(|(key, value)| (key.clone(), inner(key, value))).collect())
}

fn or_parameter(schema: &Json) -> Json {
    let schema = with_parameters(schema);
    let Json::Object(mut members) = schema else { return schema };
    let takes_any_text = members.get("type").is_some_and(|kind| *kind == "string")
        && !["enum", "const", "pattern"].iter().any(|key| members.contains_key(*key));
    if takes_any_text || members.is_empty() {
        return Json::Object(members);
    }
    // Editors show what stands outside: the words stay there.
    let mut outer = Map::new();
    for key in ["description", "default"] {
        if let Some(word) = members.shift_remove(key) {
            outer.insert(key.to_owned(), word);
        }
    }
    let reference = json!({ "$ref": format!("#/$defs/{PARAMETER}") });
    outer.insert("anyOf".to_owned(), json!([Json::Object(members), reference]));
    Json::Object(outer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_catalog;

    #[test]
    fn settings_are_bound_to_their_type() {
        let schema = flow_schema(&test_catalog::catalog());
        assert_eq!(schema["$defs"]["ModuleSpec"]["properties"]["type"]["enum"][0], "test-in");
        assert_eq!(
            schema["$defs"]["ModuleSpec"]["allOf"][0],
            json!({
                "if": { "properties": { "type": { "const": "test-in" } }, "required": ["type"] },
                "then": { "properties": { "with": { "$ref": "#/$defs/test-in" } }, "required": ["with"] }
            })
        );
        assert_eq!(schema["$defs"]["test-in"]["properties"]["topic"]["description"], "Which topics start the flow.");
    }

    #[test]
    fn a_parameter_may_stand_for_anything_but_is_not_added_to_texts() {
        let schema = flow_schema(&test_catalog::catalog());
        let parameter = json!({ "$ref": "#/$defs/parameter-reference" });
        assert_eq!(schema["$defs"]["test-step"]["properties"]["count"]["anyOf"][1], parameter);
        assert_eq!(schema["$defs"]["test-in"]["properties"]["topic"].get("anyOf"), None);
    }

    #[test]
    fn every_reference_leads_to_a_definition() {
        let schema = flow_schema(&Catalog::new(&[crate::modules::MODULES]));
        let text = schema.to_string();
        let references = text.split("\"$ref\":\"#/$defs/").skip(1).filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            assert!(schema["$defs"].get(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 5);
    }
}
