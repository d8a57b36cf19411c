//! The keys that exist, read from the JSON Schema of [`Config`](super::Config): so a key is written down once, as a field.

use serde_json::Value;

/// What kind of value a key takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text,
    /// One of these words.
    Word(Vec<String>),
    Boolean,
    /// A whole number within these bounds.
    Integer {
        min: i64,
        max: i64,
    },
    /// A list of texts.
    List,
    /// Anything that JSON can say.
    Any,
}

/// One key that takes a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// The names from the root; `*` stands for a name that a person chooses.
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
    /// What it is, as in the doc comment of its field.
    pub(super) summary: String,
    pub(super) default: Option<Value>,
}

/// Why a path is no key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NoKey {
    /// It names a table; these are the keys in it.
    Table(Vec<String>),
    /// It does not exist; this key reads most alike.
    Unknown { nearest: Option<String> },
}

/// Every key of the configuration.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

/// Stands for a name that a person chooses.
const ANY_NAME: &str = "*";

impl Keys {
    /// Reads the keys from the JSON Schema of the configuration.
    pub(super) fn of(schema: &Value) -> Self {
        let mut keys = Vec::new();
        collect(schema, schema, &mut Vec::new(), &mut keys);
        Self { keys }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// The key at `path`. What lies below a key of kind [`Kind::Any`] belongs to that key.
    pub(super) fn find(&self, path: &[String]) -> Result<&Key, NoKey> {
        let covers = |key: &&Key| {
            let fits = key.path.len() == path.len() || key.kind == Kind::Any && key.path.len() < path.len();
            fits && starts_with(path, &key.path)
        };
        if let Some(key) = self.keys.iter().find(covers) {
            return Ok(key);
        }
        let below: Vec<String> = self
            .keys
            .iter()
            .filter(|key| key.path.len() > path.len() && starts_with(&key.path, path))
            .map(|key| key.path.join("."))
            .collect();
        if below.is_empty() { Err(NoKey::Unknown { nearest: self.nearest(path) }) } else { Err(NoKey::Table(below)) }
    }

    /// Whether `path` is that of a table whose name a person chose, as in `queues.orders`.
    pub(super) fn is_named(&self, path: &[String]) -> bool {
        let holds = |key: &Key| {
            let name = path.len().checked_sub(1).and_then(|last| key.path.get(last));
            key.path.len() > path.len() && name.is_some_and(|name| name == ANY_NAME) && starts_with(&key.path, path)
        };
        self.keys.iter().any(holds)
    }

    /// The key that a person most likely meant.
    fn nearest(&self, path: &[String]) -> Option<String> {
        let written = path.join(".");
        let names = || self.keys.iter().map(|key| key.path.join("."));
        if let Some(name) = names().find(|name| name.ends_with(&format!(".{written}"))) {
            return Some(name);
        }
        let (distance, name) = names().map(|name| (edits_between(&written, &name), name)).min()?;
        (distance <= 2.max(written.len() / 4)).then_some(name)
    }
}

/// Whether `path` begins with `start`, where `*` on either side stands for any name.
fn starts_with(path: &[String], start: &[String]) -> bool {
    path.len() >= start.len()
        && path.iter().zip(start).all(|(left, right)| left == right || left == ANY_NAME || right == ANY_NAME)
}

fn collect(root: &Value, schema: &Value, path: &mut Vec<String>, keys: &mut Vec<Key>) {
    let target = resolve(root, schema);
    if let Some(properties) = target.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            path.push(name.clone());
            collect(root, property, path, keys);
            path.pop();
        }
    } else if let Some(each) =
        target.get("additionalProperties").filter(|each| each.is_object() || **each == Value::Bool(true))
    {
        path.push(ANY_NAME.to_owned());
        collect(root, each, path, keys);
        path.pop();
    } else {
        // What stands at the place of use (a doc comment, a default) goes before what stands at the type.
        let at_use = |name: &str| schema.get(name).or_else(|| target.get(name));
        let summary = at_use("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        keys.push(Key { path: path.clone(), kind: kind_of(target), summary, default: at_use("default").cloned() });
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/")) else {
        return schema;
    };
    root.get("$defs").and_then(|definitions| definitions.get(name)).unwrap_or(schema)
}

fn kind_of(schema: &Value) -> Kind {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Kind::Word(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or(""),
        _ => "",
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    match name {
        "string" => Kind::Text,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer { min: bound("minimum").unwrap_or(0), max: bound("maximum").unwrap_or(i64::MAX) },
        "array" => Kind::List,
        _ => Kind::Any,
    }
}

/// Insertions, removals and replacements of a character that lead from one text to the other.
fn edits_between(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        let mut next = vec![before];
        for (right, above) in to.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = *above;
            before = replaced.min(above + 1).min(before + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> Result<Kind, NoKey> {
        let keys = Keys::of(&super::super::config_schema());
        keys.find(&path.split('.').map(str::to_owned).collect::<Vec<_>>()).map(|key| key.kind.clone())
    }

    #[test]
    fn fields_are_keys() {
        assert_eq!(find("data_dir"), Ok(Kind::Text));
        assert_eq!(find("flows_dir"), Ok(Kind::Text));
        assert_eq!(find("listeners.mqtt.address"), Ok(Kind::Text));
        assert_eq!(find("listeners.mqtt.allow_anonymous_remote"), Ok(Kind::Boolean));
        assert_eq!(find("listeners.web.host_names"), Ok(Kind::List));
        assert_eq!(find("limits.mqtt_packet_bytes_max"), Ok(Kind::Integer { min: 1024, max: 268_435_455 }));
        assert_eq!(find("log.format"), Ok(Kind::Word(vec!["text".to_owned(), "json".to_owned()])));
        assert_eq!(find("flows.line-1.parameters.line"), Ok(Kind::Any));
        assert_eq!(find("flows.line-1.parameters.map.inner"), Ok(Kind::Any));
    }

    #[test]
    fn tables_and_unknown_names_are_none() {
        assert!(matches!(find("listeners.web"), Err(NoKey::Table(keys)) if keys.len() == 2));
        assert!(matches!(find("flows.line-1"), Err(NoKey::Table(_))));
        assert_eq!(find("zebra"), Err(NoKey::Unknown { nearest: None }));
    }

    #[test]
    fn a_slip_is_met_with_the_nearest_key() {
        for (written, meant) in [
            ("listeners.mqtt.adress", "listeners.mqtt.address"),
            ("listener.mqtt.address", "listeners.mqtt.address"),
            ("mqtt.address", "listeners.mqtt.address"),
            ("datadir", "data_dir"),
            ("log.levle", "log.level"),
        ] {
            assert_eq!(find(written), Err(NoKey::Unknown { nearest: Some(meant.to_owned()) }), "{written}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, edits) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(edits_between(from, to), edits, "{from} {to}");
        }
    }
}
