//! The model as the values that a flow file holds: without what says nothing, and in the shapes that TOML knows.

use message::limits;
use serde_json::{Map, Value as Json};
use toml_edit::{Array, InlineTable, Value};

use crate::check::{Place, Problem};
use crate::model::Flow;

/// A line of the file grows to here before an array or a table is spread over several.
const LINE_CHARS_MAX: usize = 100;

/// The flow as JSON, or everything in it that a flow file cannot say.
pub(super) fn flow_json(flow: &Flow) -> Result<Map<String, Json>, Vec<Problem>> {
    let mut json = match serde_json::to_value(flow) {
        Ok(Json::Object(json)) => json,
        Ok(_) => Map::new(),
        Err(error) => return Err(vec![Problem::error(Place::flow(""), error, "take it out")]),
    };
    if let Some(Json::Object(layout)) = json.get_mut("layout") {
        layout.values_mut().for_each(whole_pixels);
    }
    let mut problems = Vec::new();
    for (key, value) in &json {
        find_unsayable(key, value, 1, &mut problems);
    }
    if problems.is_empty() { Ok(json) } else { Err(problems) }
}

/// Most places on the canvas are whole pixels: they read better without a fraction.
fn whole_pixels(point: &mut Json) {
    for coordinate in point.as_array_mut().into_iter().flatten() {
        if let Some(number) = coordinate.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15) {
            #[expect(clippy::cast_possible_truncation, reason = "the filter holds it within 10^15")]
            let whole = number as i64;
            *coordinate = Json::from(whole);
        }
    }
}

fn find_unsayable(path: &str, value: &Json, depth: usize, problems: &mut Vec<Problem>) {
    let mut tell = |what: &str, hint: &str| problems.push(Problem::error(Place::flow(path), what, hint));
    match value {
        Json::Null => tell("a flow file has no null", "leave it out"),
        Json::Number(number) if number.as_i64().is_none() && number.is_u64() => {
            tell("a flow file has no whole numbers above 9223372036854775807", "write it as a text");
        }
        Json::Array(_) | Json::Object(_) if depth > limits::FLOW_FILE_DEPTH_MAX => {
            tell("this is nested too deep for a flow file", "flatten it, or give it as a text of JSON");
        }
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                find_unsayable(&format!("{path}[{index}]"), element, depth + 1, problems);
            }
        }
        Json::Object(members) => {
            for (key, member) in members {
                find_unsayable(&format!("{path}.{key}"), member, depth + 1, problems);
            }
        }
        _ => {}
    }
}

/// One value on as few lines as read well.
pub(super) fn value(json: &Json) -> Value {
    match json {
        // Nulls were refused before.
        Json::Null => Value::from(InlineTable::new()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => string(text),
        Json::Array(elements) => Value::from(array(elements)),
        Json::Object(members) => {
            Value::from(members.iter().map(|(key, member)| (key.as_str(), value(member))).collect::<InlineTable>())
        }
    }
}

/// Code and other texts of several lines stand as they are, between `'''`.
fn string(text: &str) -> Value {
    let plain = |sign: char| sign == '\n' || sign == '\t' || !sign.is_control();
    if text.contains('\n') && !text.contains("'''") && !text.ends_with('\'') && text.chars().all(plain) {
        let literal: Result<Value, _> = format!("'''\n{text}'''").parse();
        if let Ok(literal) = literal
            && literal.as_str() == Some(text)
        {
            return literal;
        }
    }
    Value::from(text)
}

fn array(elements: &[Json]) -> Array {
    let mut array: Array = elements.iter().map(value).collect();
    if array.to_string().chars().count() > LINE_CHARS_MAX {
        for element in array.iter_mut() {
            element.decor_mut().set_prefix("\n    ");
        }
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
    array
}

/// Whether a table reads well between braces on one line.
pub(super) fn fits_inline(json: &Json) -> bool {
    !has_lines(json) && value(json).to_string().chars().count() <= LINE_CHARS_MAX
}

fn has_lines(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\n'),
        Json::Array(elements) => elements.iter().any(has_lines),
        Json::Object(members) => members.values().any(has_lines),
        _ => false,
    }
}
