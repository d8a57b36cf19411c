//! TOML values as JSON. What JSON has no word for is told with its place in the text.

use std::ops::Range;

use serde_json::{Map, Number, Value as Json};
use toml_edit::{Item, TableLike, Value};

/// A value that JSON cannot hold.
pub(super) struct Unfit {
    pub(super) span: Option<Range<usize>>,
    pub(super) what: &'static str,
    pub(super) hint: &'static str,
}

/// A table as JSON; what does not fit becomes null and is added to `unfit`.
pub(super) fn table_to_json(table: &dyn TableLike, unfit: &mut Vec<Unfit>) -> Map<String, Json> {
    table.iter().map(|(key, item)| (key.to_owned(), item_to_json(item, unfit))).collect()
}

pub(super) fn item_to_json(item: &Item, unfit: &mut Vec<Unfit>) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => value_to_json(value, unfit),
        Item::Table(table) => Json::Object(table_to_json(table, unfit)),
        Item::ArrayOfTables(tables) => {
            Json::Array(tables.iter().map(|table| Json::Object(table_to_json(table, unfit))).collect())
        }
    }
}

pub(super) fn value_to_json(value: &Value, unfit: &mut Vec<Unfit>) -> Json {
    match value {
        Value::String(text) => Json::String(text.value().clone()),
        Value::Integer(number) => Json::from(*number.value()),
        Value::Boolean(flag) => Json::Bool(*flag.value()),
        Value::Float(number) => match Number::from_f64(*number.value()) {
            Some(number) => Json::Number(number),
            None => {
                unfit.push(Unfit {
                    span: value.span(),
                    what: "this number is not finite",
                    hint: "give a number with an end, or leave the setting out",
                });
                Json::Null
            }
        },
        Value::Datetime(_) => {
            unfit.push(Unfit {
                span: value.span(),
                what: "a time without quotes has no counterpart in a flow",
                hint: "write it as a text, in quotes",
            });
            Json::Null
        }
        Value::Array(array) => Json::Array(array.iter().map(|element| value_to_json(element, unfit)).collect()),
        Value::InlineTable(table) => Json::Object(table_to_json(table, unfit)),
    }
}
