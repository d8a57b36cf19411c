//! Changing a document so that it says what is wanted, touching only what says something else.

use serde_json::{Map, Value as Json};
use toml_edit::{ArrayOfTables, InlineTable, Item, Table, TableLike, Value};

use super::compose;
use super::level::{Level, Style};
use super::toml_json::{item_to_json, table_to_json};

/// Makes the document say `wanted`.
pub(super) fn merge_flow(root: &mut Table, wanted: &Map<String, Json>) {
    merge_table(root, Level::Flow, wanted);
}

fn merge_table(table: &mut dyn TableLike, level: Level, wanted: &Map<String, Json>) {
    let wanted = level.prune(wanted);
    let existing: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in existing.iter().filter(|key| !wanted.contains_key(key.as_str())) {
        drop_key(table, level, key);
    }
    for (key, value) in &wanted {
        match table.get_mut(key) {
            Some(item) => merge_item(item, level.below(key), value),
            None => {
                table.insert(key, new_item(level.below(key), value));
            }
        }
    }
}

/// Takes out a key that is not wanted, unless it only says what holds without it.
fn drop_key(table: &mut dyn TableLike, level: Level, key: &str) {
    let default = level.default_of(key);
    if let Some(item) = table.get_mut(key) {
        if default.as_ref() == Some(&json_of(item)) {
            return;
        }
        let has_defaults = default.as_ref().and_then(Json::as_object).is_some_and(|members| !members.is_empty());
        if let (true, Some(inner)) = (has_defaults, item.as_table_like_mut()) {
            return merge_table(inner, level.below(key), &Map::new());
        }
    }
    table.remove(key);
}

fn merge_item(item: &mut Item, level: Level, wanted: &Json) {
    if says(level, &json_of(item), wanted) {
        return;
    }
    match (item, wanted) {
        (Item::Value(Value::InlineTable(inline)), Json::Object(wanted)) => merge_inline(inline, level, wanted),
        (Item::Table(table), Json::Object(members)) if !members.is_empty() || !lives_by_members(table) => {
            merge_table(table, level, members);
        }
        (Item::ArrayOfTables(tables), Json::Array(wanted)) if wanted.iter().all(Json::is_object) => {
            merge_tables(tables, wanted);
        }
        (Item::Value(value), wanted) => merge_value(value, wanted),
        (item, wanted) => *item = new_item(level, wanted),
    }
}

/// Whether the table has no line of its own: without members it would not be there.
fn lives_by_members(table: &Table) -> bool {
    table.is_dotted() || table.is_implicit()
}

/// Whether the document says what is wanted already.
fn says(level: Level, existing: &Json, wanted: &Json) -> bool {
    let coordinates = |point: &Json| -> Option<Vec<f64>> { point.as_array()?.iter().map(Json::as_f64).collect() };
    existing == wanted || level == Level::Point && coordinates(existing) == coordinates(wanted)
}

fn json_of(item: &Item) -> Json {
    // What JSON cannot hold becomes null, which is never wanted: it is replaced.
    item_to_json(item, &mut Vec::new())
}

/// As [`merge_table`], with the spaces before the closing brace staying there.
fn merge_inline(inline: &mut InlineTable, level: Level, wanted: &Map<String, Json>) {
    let end = last_suffix(inline).unwrap_or_else(|| " ".to_owned());
    if let Some((_, last)) = inline.iter_mut().last() {
        last.decor_mut().set_suffix("");
    }
    merge_table(inline, level, wanted);
    if let Some((_, last)) = inline.iter_mut().last() {
        last.decor_mut().set_suffix(end);
    }
}

fn last_suffix(inline: &InlineTable) -> Option<String> {
    let (_, last) = inline.iter().last()?;
    Some(last.decor().suffix()?.as_str()?.to_owned())
}

fn merge_value(value: &mut Value, wanted: &Json) {
    if let (Value::Array(array), Json::Array(wanted)) = (&mut *value, wanted) {
        return merge_array(array, wanted);
    }
    let decor = value.decor().clone();
    *value = compose::value(wanted);
    *value.decor_mut() = decor;
}

/// Elements that stay keep their comments; new ones are written like their neighbours.
fn merge_array(array: &mut toml_edit::Array, wanted: &[Json]) {
    let mut old: Vec<Option<Value>> = array.iter().cloned().map(Some).collect();
    let neighbour = array.iter().last().map(|last| last.decor().clone());
    let jsons: Vec<Json> = array.iter().map(|value| json_of(&Item::Value(value.clone()))).collect();
    array.clear();
    for element in wanted {
        let place = jsons.iter().zip(&old).position(|(json, old)| old.is_some() && json == element);
        let kept = place.and_then(|place| old.get_mut(place)).and_then(Option::take);
        let value = kept.unwrap_or_else(|| {
            let mut value = compose::value(element);
            match (&neighbour, jsons.len() == wanted.len()) {
                // One for one: the new element takes the place of the old.
                (_, true) => {
                    if let Some(old) = array_decor(&old, array.len()) {
                        *value.decor_mut() = old;
                    }
                }
                (Some(neighbour), false) => *value.decor_mut() = neighbour.clone(),
                (None, false) => {}
            }
            value
        });
        array.push_formatted(value);
    }
}

fn array_decor(old: &[Option<Value>], place: usize) -> Option<toml_edit::Decor> {
    Some(old.get(place)?.as_ref()?.decor().clone())
}

/// Connections have no names: those that join the same modules by the same output are taken for the same.
fn merge_tables(tables: &mut ArrayOfTables, wanted: &[Json]) {
    let mut old: Vec<Option<Table>> = tables.iter().cloned().map(Some).collect();
    let jsons: Vec<Json> = tables.iter().map(|table| Json::Object(table_to_json(table, &mut Vec::new()))).collect();
    let mut take = |fits: &dyn Fn(&Json) -> bool| {
        let place = jsons.iter().zip(&old).position(|(json, old)| old.is_some() && fits(json))?;
        old.get_mut(place)?.take()
    };
    // Those that stay as they are come first, so that none of them is taken for one that changed.
    let mut kept: Vec<Option<Table>> = wanted.iter().map(|wanted| take(&|json| json == wanted)).collect();
    for (slot, wanted) in kept.iter_mut().zip(wanted) {
        if slot.is_none() {
            *slot = take(&|json| ["from", "port", "to"].iter().all(|key| json.get(key) == wanted.get(key)));
        }
    }
    let mut positions: Vec<isize> = kept.iter().flatten().filter_map(Table::position).collect();
    positions.sort_unstable();
    let mut positions = positions.into_iter();
    tables.clear();
    for (slot, wanted) in kept.into_iter().zip(wanted) {
        let Some(members) = wanted.as_object() else { continue };
        match slot {
            Some(mut table) => {
                merge_table(&mut table, Level::Connection, members);
                table.set_position(positions.next());
                tables.push(table);
            }
            None => tables.push(new_table(Level::Connection, members)),
        }
    }
}

/// A key that was not there, in canonical form.
fn new_item(level: Level, wanted: &Json) -> Item {
    match (level.style(), wanted) {
        (Style::Section, Json::Object(members)) => Item::Table(new_table(level, members)),
        (Style::Parent, Json::Object(members)) => {
            let mut table = new_table(level, members);
            table.set_implicit(true);
            Item::Table(table)
        }
        (Style::Sections, Json::Array(elements)) => {
            let tables =
                elements.iter().filter_map(Json::as_object).map(|members| new_table(Level::Connection, members));
            Item::ArrayOfTables(tables.collect())
        }
        (Style::Line, Json::Object(members)) if !compose::fits_inline(wanted) => {
            let mut table = new_table(level, members);
            table.set_dotted(true);
            Item::Table(table)
        }
        _ => Item::Value(compose::value(wanted)),
    }
}

fn new_table(level: Level, members: &Map<String, Json>) -> Table {
    let mut table = Table::new();
    merge_table(&mut table, level, members);
    table
}
