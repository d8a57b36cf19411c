//! Reading a configuration: layers in order of precedence, each value checked alone, then the whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keys::{Key, Keys, Kind};
use super::layers::Layers;
use super::{Argument, Config, ConfigProblem, Origin, config_schema, rules};

/// Where a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that a person named; it must exist.
    pub file: Option<PathBuf>,
    /// Environment variables, by name.
    pub environment: Vec<(String, String)>,
    /// From the command line; the last word.
    pub arguments: Vec<Argument>,
}

/// Read when no file is named, if it exists.
const DEFAULT_FILE: &str = "/etc/headwater/headwater.toml";
/// The folder beside the file whose `*.toml` files are read after it, in the order of their names.
const PARTS_FOLDER: &str = "conf.d";
/// A configuration file larger than this is a mistake.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A configuration that holds, and where its values come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// The origin of each key that someone set; the others have their default.
    pub origins: BTreeMap<Vec<String>, Origin>,
}

/// Reads a configuration, or finds all that is wrong with it.
pub fn load(sources: &Sources) -> Result<Loaded, Vec<ConfigProblem>> {
    let keys = Keys::of(&config_schema());
    let mut layers = Layers::default();
    for path in files(sources.file.as_deref(), &mut layers.problems) {
        match read(&path) {
            Ok(text) => layers.add_file(&keys, &path, &text),
            Err(what) => {
                let origin = Origin::File { path, line: 0 };
                let hint = "name a readable TOML file with --config, or leave --config out";
                layers.problems.push(ConfigProblem::new(origin, "", what, hint));
            }
        }
    }
    layers.add_environment(&keys, sources.environment.iter().cloned());
    for argument in &sources.arguments {
        layers.add_argument(&keys, argument);
    }
    let Layers { leaves, mut problems } = layers;
    for (path, (value, origin)) in &leaves {
        problems.extend(check_leaf(&keys, path, value, origin));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut tree = Value::Object(Map::new());
    for (path, (value, _)) in &leaves {
        put(&mut tree, path, value.clone());
    }
    let config = from_tree(tree).map_err(|what| vec![ConfigProblem::new(Origin::Default, "", what, "")])?;
    let origins: BTreeMap<_, _> = leaves.into_iter().map(|(path, (_, origin))| (path, origin)).collect();
    let problems = rules::check(&config, &origins);
    if problems.is_empty() { Ok(Loaded { config, origins }) } else { Err(problems) }
}

fn files(named: Option<&Path>, problems: &mut Vec<ConfigProblem>) -> Vec<PathBuf> {
    let default = Path::new(DEFAULT_FILE);
    let Some(file) = named.or_else(|| default.exists().then_some(default)) else { return Vec::new() };
    let mut files = vec![file.to_owned()];
    let folder = file.parent().unwrap_or(Path::new("")).join(PARTS_FOLDER);
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let mut parts: Vec<_> = paths.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
            parts.sort();
            files.append(&mut parts);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let origin = Origin::File { path: folder, line: 0 };
            problems.push(ConfigProblem::new(
                origin,
                "",
                format!("cannot read the folder: {error}"),
                "make it readable",
            ));
        }
    }
    files
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read the file: {error}");
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("the file has {length} bytes, at most {FILE_BYTES_MAX} make a configuration"));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

/// What is wrong with one value, told at the place where it was set.
fn check_leaf(keys: &Keys, path: &[String], value: &Value, origin: &Origin) -> Option<ConfigProblem> {
    let problem = |what: String, hint: &str| Some(ConfigProblem::new(origin.clone(), path.join("."), what, hint));
    if let Some(what) = keys.find(path).ok().and_then(|key| misfit(key, value)) {
        return problem(what, "");
    }
    let mut tree = Value::Object(Map::new());
    put(&mut tree, path, value.clone());
    match from_tree(tree) {
        Ok(_) => None,
        Err(what) => problem(what, ""),
    }
}

/// Says what a key takes when the value is not that.
fn misfit(key: &Key, value: &Value) -> Option<String> {
    let takes = match &key.kind {
        Kind::Any => return None,
        Kind::Text if value.is_string() => return None,
        Kind::Text => "a text in quotes".to_owned(),
        Kind::Boolean if value.is_boolean() => return None,
        Kind::Boolean => "true or false".to_owned(),
        Kind::Word(words) if words.iter().any(|word| value == word) => return None,
        Kind::Word(words) => format!("one of {}", words.join(", ")),
        Kind::List if value.as_array().is_some_and(|list| list.iter().all(Value::is_string)) => return None,
        Kind::List => "a list of texts, as in [\"a\", \"b\"]".to_owned(),
        Kind::Integer { min, max } if value.as_i64().is_some_and(|number| (*min..=*max).contains(&number)) => {
            return None;
        }
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
    };
    Some(format!("takes {takes}, not {value}"))
}

fn from_tree(tree: Value) -> Result<Config, String> {
    serde_path_to_error::deserialize(tree).map_err(|error| error.into_inner().to_string())
}

fn put(tree: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    if !tree.is_object() {
        *tree = Value::Object(Map::new());
    }
    if let Value::Object(members) = tree {
        put(members.entry(first.clone()).or_insert(Value::Null), rest, value);
    }
}
