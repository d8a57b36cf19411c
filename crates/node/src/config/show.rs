//! The configuration in words: each key with its value and where that comes from, and a commented example file.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::keys::{Key, Keys};
use super::{Config, Loaded, Origin, config_schema};

/// Every key with its value and origin, one a line.
pub fn show_text(loaded: &Loaded) -> String {
    let shown = shown(loaded);
    let width = shown.iter().map(|(key, value, _)| key.len() + value.to_string().len() + 3).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value, origin) in shown {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "{:width$}  # {origin}", format!("{key} = {value}"));
    }
    text
}

/// Every key with its value and origin, for machines.
pub fn show_json(loaded: &Loaded) -> Value {
    let keys = shown(loaded)
        .into_iter()
        .map(|(key, value, origin)| (key, json!({ "value": value, "origin": origin.to_string() })));
    Value::Object(keys.collect())
}

fn shown(loaded: &Loaded) -> Vec<(String, Value, Origin)> {
    let keys = Keys::of(&config_schema());
    let tree = serde_json::to_value(&loaded.config).unwrap_or_default();
    let mut shown = Vec::new();
    walk(&keys, &tree, &mut Vec::new(), &mut |path, value| {
        let origin = loaded.origins.iter().find(|(set, _)| set.starts_with(path)).map(|(_, origin)| origin);
        shown.push((path.join("."), value.clone(), origin.cloned().unwrap_or(Origin::Default)));
    });
    shown
}

/// Visits every key of the tree that takes a value.
fn walk(keys: &Keys, tree: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Value)) {
    match tree {
        Value::Object(members) if keys.find(path).is_err() => {
            for (name, member) in members {
                path.push(name.clone());
                walk(keys, member, path, visit);
                path.pop();
            }
        }
        _ => visit(path, tree),
    }
}

/// A configuration file with every key, its meaning and its default, all commented out.
pub fn example_file() -> String {
    let mut text = String::from(
        "# The configuration of a Headwater node. Every key is optional; what stands here commented out is the default.\n\
         # A key is set here, in conf.d/*.toml beside this file (read after it, in the order of their names), by the\n\
         # environment (HEADWATER__LISTENERS__MQTT__ADDRESS) or on the command line\n\
         # (--set listeners.mqtt.address=127.0.0.1:1884); the last one wins. `headwater config check` finds what is wrong,\n\
         # `headwater config show` says where each value comes from.\n",
    );
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut table = Vec::new();
    for key in Keys::of(&config_schema()).iter() {
        let Some((name, above)) = key.path.split_last() else { continue };
        if above != table {
            table = above.to_vec();
            let head = match table.first().and_then(|first| example_name(first)) {
                Some(name) => format!("# [{}]", table.join(".").replace('*', name)),
                None => format!("[{}]", table.join(".")),
            };
            let _ = write!(text, "\n{head}\n");
        } else {
            text.push('\n');
        }
        for line in folded(&key.summary) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {}", example_line(key, name, &defaults));
    }
    text
}

/// A name that a person could choose in one of the tables that have such names.
fn example_name(table: &str) -> Option<&'static str> {
    match table {
        "flows" => Some("line-1"),
        "queues" => Some("orders"),
        "streams" => Some("telemetry"),
        _ => None,
    }
}

fn example_line(key: &Key, name: &str, defaults: &Value) -> String {
    let default = key.path.iter().try_fold(defaults, |tree, name| tree.get(name)).or(key.default.as_ref());
    match (name, default) {
        ("age_max_s", Some(Value::Null)) => format!("{name} = 86400"),
        ("messages_max", Some(Value::Null)) => format!("{name} = 100000000"),
        ("dead_letter", Some(Value::Null)) => format!("{name} = \"orders-dead\""),
        (_, Some(Value::Null)) => format!("{name} = \"flows\""),
        (_, Some(value)) => format!("{name} = {value}"),
        (_, None) => "line = \"line1\"".to_owned(),
    }
}

/// A doc comment as lines of a width that reads well.
fn folded(summary: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in summary.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 116 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
