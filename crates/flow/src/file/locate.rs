//! From a place in the model to line and column of the file that says it.

use std::ops::Range;

use toml_edit::{Document, Item};

use super::lines::{normalise, place_of};
use crate::check::Place;

/// Where in the text of a flow file a place of the model stands; the place itself when the text does not say it.
/// A place within code leads to the line of the code, where that is written between `'''` or `"""`.
pub fn locate(text: &str, place: &Place) -> Place {
    let text = normalise(text);
    let Ok(document) = Document::parse(&*text) else { return place.clone() };
    let (path, position) = match place {
        Place::File { .. } => return place.clone(),
        Place::Flow { path } => (path.clone(), None),
        Place::Module { module } => (format!("modules.{module}"), None),
        Place::Setting { module, path, position } => {
            let dot = if path.is_empty() { "" } else { "." };
            (format!("modules.{module}.with{dot}{path}"), *position)
        }
        Place::Connection { index, position: None, .. } => (format!("connections[{index}]"), None),
        Place::Connection { index, position, .. } => (format!("connections[{index}].route"), *position),
    };
    let Some(found) = find(document.as_item(), &path) else { return place.clone() };
    let within = position.and_then(|position| place_in_code(&text, found.value?, position));
    within.unwrap_or_else(|| place_of(&text, found.key.start))
}

/// Where a key stands, and its value.
pub(super) struct Found {
    pub(super) key: Range<usize>,
    value: Option<Range<usize>>,
}

/// What stands at a path; of a path that leads nowhere, the nearest above it that is there.
pub(super) fn find(item: &Item, path: &str) -> Option<Found> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(table) = item.as_table_like() {
        let (key, after) = table
            .iter()
            .filter_map(|(key, _)| {
                let after = path.strip_prefix(key)?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some((key, after))
            })
            .min_by_key(|(_, after)| after.len())?;
        let value = table.get(key);
        let below = value.filter(|_| !after.is_empty()).and_then(|item| find(item, after));
        return below.or_else(|| {
            let value = value.and_then(Item::span);
            let key = table.key(key).and_then(toml_edit::Key::span).or_else(|| value.clone())?;
            Some(Found { key, value })
        });
    }
    let (index, after) = path.strip_prefix('[')?.split_once(']')?;
    let index: usize = index.parse().ok()?;
    let (element, span) = match (item.as_array_of_tables(), item.as_array()) {
        (Some(tables), _) => tables.get(index).map(|table| (Item::Table(table.clone()), table.span()))?,
        (None, Some(array)) => array.get(index).map(|value| (Item::Value(value.clone()), value.span()))?,
        (None, None) => return None,
    };
    find(&element, after).or_else(|| Some(Found { key: span.clone()?, value: span }))
}

/// A line and column of code as those of the file. Only what stands between triple quotes stands as it is.
fn place_in_code(text: &str, value: Range<usize>, (line, column): (u32, u32)) -> Option<Place> {
    let written = text.get(value.clone())?;
    let inner = written.strip_prefix("'''").or_else(|| written.strip_prefix("\"\"\""))?;
    let begins_on_next_line = inner.starts_with('\n');
    let Place::File { line: first, column: first_column } = place_of(text, value.start) else { return None };
    let line = first + u32::from(begins_on_next_line) + line.saturating_sub(1);
    let beside_quotes = line == first && !begins_on_next_line;
    Some(Place::File { line, column: if beside_quotes { column + first_column + 2 } else { column } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::ModuleId;

    const TEXT: &str = r#"id = "a"

[variables]
limit = { type = "number" }

[modules.in]
type = "x"
with = { topic = "t", list = [1, { deep = 2 }] }

[modules.step]
type = "script"
with.code = '''
let a = 1;
a b
'''

[[connections]]
from = "in"
to = "step"
route = '''a b'''
"#;

    fn expect(place: &Place, line: u32, column: u32) {
        for text in [TEXT.to_owned(), TEXT.replace('\n', "\r\n")] {
            assert_eq!(locate(&text, place), Place::File { line, column }, "{place}");
        }
    }

    fn setting(module: &str, path: &str, position: Option<(u32, u32)>) -> Place {
        Place::Setting { module: ModuleId::parse(module).unwrap(), path: path.to_owned(), position }
    }

    #[test]
    fn places_of_the_model_are_found_in_the_file() {
        expect(&Place::flow("variables.limit"), 4, 1);
        expect(&Place::flow("variables"), 3, 2);
        expect(&Place::module(&ModuleId::parse("step").unwrap()), 10, 10);
        expect(&setting("in", "topic", None), 8, 10);
        expect(&setting("in", "list[1].deep", None), 8, 36);
        expect(&setting("in", "missing", None), 8, 1);
        expect(&setting("step", "code", None), 12, 6);
    }

    #[test]
    fn places_within_code_lead_to_its_lines() {
        expect(&setting("step", "code", Some((2, 3))), 14, 3);
        let (from, to) = (ModuleId::parse("in").unwrap(), ModuleId::parse("step").unwrap());
        let connection = |position| Place::Connection { index: 0, from: from.clone(), to: to.clone(), position };
        expect(&connection(None), 17, 1);
        expect(&connection(Some((1, 3))), 20, 14);
    }

    #[test]
    fn what_the_file_does_not_say_stays_as_it_is() {
        let place = Place::flow("options.queue");
        assert_eq!(locate(TEXT, &place), place);
        assert_eq!(locate("id = ", &place), place);
    }
}
