//! The layers that a configuration is made of: files, environment, arguments. Each yields leaves, a key with its value
//! and origin; a later layer's leaf takes the place of an earlier one's.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

use super::keys::{Keys, Kind, NoKey};
use super::{ConfigProblem, Origin};

/// A value that the command line sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The key with dots.
    pub key: String,
    pub value: String,
    /// As the person wrote it, as in `--data-dir`.
    pub written: String,
}

/// What was set, by key, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) leaves: BTreeMap<Vec<String>, (Value, Origin)>,
    pub(super) problems: Vec<ConfigProblem>,
}

/// The start of the names of environment variables that set a key.
const VARIABLE_START: &str = "HEADWATER__";

impl Layers {
    /// Adds what a TOML file says.
    pub(super) fn add_file(&mut self, keys: &Keys, path: &Path, text: &str) {
        let line_at = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        match Document::parse(text) {
            Ok(document) => {
                let at = |offset| Origin::File { path: path.to_owned(), line: line_at(offset) };
                self.add_table(keys, document.as_table(), &mut Vec::new(), &at);
            }
            Err(error) => {
                let line = error.span().map_or(0, |span| line_at(span.start));
                let what = format!("the file is no TOML: {}", error.message());
                let origin = Origin::File { path: path.to_owned(), line };
                self.problems.push(ConfigProblem::new(
                    origin,
                    "",
                    what,
                    "write `key = value` lines below `[table]` heads",
                ));
            }
        }
    }

    fn add_table(&mut self, keys: &Keys, table: &dyn TableLike, path: &mut Vec<String>, at: &dyn Fn(usize) -> Origin) {
        for (name, item) in table.iter() {
            path.push(name.to_owned());
            let offset =
                table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span()).map_or(0, |it| it.start);
            match item.as_table_like() {
                Some(inner) if !inner.is_empty() => self.add_table(keys, inner, path, at),
                // What a person names is there with its defaults.
                Some(_) if keys.is_named(path) => {
                    self.leaves.insert(path.clone(), (Value::Object(Map::new()), at(offset)));
                }
                // Any other empty table sets nothing, but its name must exist all the same.
                Some(_) if matches!(keys.find(path), Err(NoKey::Table(_))) => {}
                _ => self.add_leaf(keys, path, to_json(item), at(offset)),
            }
            path.pop();
        }
    }

    fn add_leaf(&mut self, keys: &Keys, path: &[String], value: Option<Value>, origin: Origin) {
        let key = path.join(".");
        match (keys.find(path), value) {
            (Err(problem), _) => self.problems.push(no_key(origin, key, &problem)),
            (Ok(_), None) => {
                let hint = "write it as text in quotes";
                self.problems.push(ConfigProblem::new(
                    origin,
                    key,
                    "the value has no meaning in a configuration",
                    hint,
                ));
            }
            (Ok(_), Some(value)) => {
                self.leaves.insert(path.to_vec(), (value, origin));
            }
        }
    }

    /// Adds what the environment says: `HEADWATER__LISTENERS__MQTT__ADDRESS` sets `listeners.mqtt.address`.
    pub(super) fn add_environment(&mut self, keys: &Keys, variables: impl Iterator<Item = (String, String)>) {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(VARIABLE_START) else { continue };
            let path: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
            self.add_text(keys, path, &text, Origin::Variable(name));
        }
    }

    /// Adds what the command line says.
    pub(super) fn add_argument(&mut self, keys: &Keys, argument: &Argument) {
        let origin = Origin::Argument(argument.written.clone());
        match toml_edit::Key::parse(&argument.key) {
            Ok(path) => {
                let path = path.iter().map(|key| key.get().to_owned()).collect();
                self.add_text(keys, path, &argument.value, origin);
            }
            Err(_) => {
                let hint = "write names with dots between them, as in log.level";
                self.problems.push(ConfigProblem::new(origin, argument.key.as_str(), "this is no key", hint));
            }
        }
    }

    fn add_text(&mut self, keys: &Keys, path: Vec<String>, text: &str, origin: Origin) {
        match keys.find(&path) {
            Err(problem) => self.problems.push(no_key(origin, path.join("."), &problem)),
            Ok(key) => {
                self.leaves.insert(path, (from_text(&key.kind, text), origin));
            }
        }
    }
}

fn no_key(origin: Origin, key: String, problem: &NoKey) -> ConfigProblem {
    match problem {
        NoKey::Table(below) => {
            let hint = format!("set one of its keys: {}", below.join(", "));
            ConfigProblem::new(origin, key, "this is a table, not a value", hint)
        }
        NoKey::Unknown { nearest: Some(nearest) } => {
            ConfigProblem::new(origin, key, "there is no such key", format!("did you mean `{nearest}`?"))
        }
        NoKey::Unknown { nearest: None } => {
            ConfigProblem::new(origin, key, "there is no such key", "`headwater config show` lists all keys")
        }
    }
}

/// A text of the environment or the command line as the value that its key takes. What does not fit stays a text,
/// and is refused with the rest of the configuration.
fn from_text(kind: &Kind, text: &str) -> Value {
    let as_text = || Value::from(text);
    match kind {
        Kind::Text | Kind::Word(_) => as_text(),
        Kind::Boolean => text.parse::<bool>().map_or_else(|_| as_text(), Value::from),
        Kind::Integer { .. } => text.replace('_', "").parse::<i64>().map_or_else(|_| as_text(), Value::from),
        Kind::List if !text.trim_start().starts_with('[') => {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect()
        }
        Kind::List | Kind::Any => {
            let item = text.parse::<toml_edit::Value>().ok().map(Item::Value);
            item.as_ref().and_then(to_json).unwrap_or_else(as_text)
        }
    }
}

/// A TOML value as JSON; `None` for what JSON cannot say.
fn to_json(item: &Item) -> Option<Value> {
    if let Some(table) = item.as_table_like() {
        return table
            .iter()
            .map(|(name, item)| Some((name.to_owned(), to_json(item)?)))
            .collect::<Option<_>>()
            .map(Value::Object);
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables
            .iter()
            .map(|table| to_json(&Item::Table(table.clone())))
            .collect::<Option<_>>()
            .map(Value::Array);
    }
    match item.as_value()? {
        toml_edit::Value::String(text) => Some(Value::from(text.value().as_str())),
        toml_edit::Value::Integer(number) => Some(Value::from(*number.value())),
        toml_edit::Value::Float(number) => serde_json::Number::from_f64(*number.value()).map(Value::Number),
        toml_edit::Value::Boolean(flag) => Some(Value::from(*flag.value())),
        toml_edit::Value::Datetime(time) => Some(Value::from(time.value().to_string())),
        toml_edit::Value::Array(array) => {
            array.iter().map(|value| to_json(&Item::Value(value.clone()))).collect::<Option<_>>().map(Value::Array)
        }
        toml_edit::Value::InlineTable(table) => to_json(&Item::Value(toml_edit::Value::InlineTable(table.clone()))),
    }
}
