//! Where in a value: `data.readings[0].celsius`.

use std::fmt;
use std::str::FromStr;

use super::{Object, Text, Value};
use crate::limits;

/// A path to a place in a value: names joined by dots, list places in brackets. A name that holds other signs than
/// letters, digits, `_`, `-` and `$` is written in brackets and quotes: `data["cur temp"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    steps: Vec<PathStep>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PathStep {
    Member(Text),
    Element(usize),
}

impl Path {
    /// The path that names one member of an object.
    pub fn member(name: impl Into<Text>) -> Self {
        Self { steps: vec![PathStep::Member(name.into())] }
    }

    /// The single member name, if the path is no deeper than that.
    pub fn as_member(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [PathStep::Member(name)] => Some(name),
            _ => None,
        }
    }

    /// The first member name of the path.
    pub fn first_member(&self) -> Option<&str> {
        match self.steps.first() {
            Some(PathStep::Member(name)) => Some(name),
            _ => None,
        }
    }
}

impl Value {
    /// The value at `path`; `None` where the path leads nowhere.
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.steps.iter().try_fold(self, |value, step| match (step, value) {
            (PathStep::Member(name), Self::Object(object)) => object.get(name),
            (PathStep::Element(index), Self::Array(array)) => array.get(*index),
            _ => None,
        })
    }

    /// Puts `new` at `path`, making the objects on the way that are missing or null. A list place may be one past the end.
    /// A value that is not an object becomes one when the path begins at the top of a `null`; anything else is refused.
    pub fn set(&mut self, path: &Path, new: Self) -> Result<(), SetError> {
        let mut value = self;
        for step in &path.steps {
            match step {
                PathStep::Member(name) => {
                    if value.is_null() {
                        *value = Self::Object(Object::new());
                    }
                    let Self::Object(object) = value else {
                        return Err(SetError { path: path.to_string(), found: value.type_name(), wanted: "object" });
                    };
                    if !object.contains_key(name) {
                        object.insert(name.clone(), Self::Null);
                    }
                    let Some(member) = object.get_mut(name) else { return Ok(()) };
                    value = member;
                }
                PathStep::Element(index) => {
                    let found = value.type_name();
                    let refused = || SetError { path: path.to_string(), found, wanted: "array that long" };
                    let Self::Array(array) = value else { return Err(refused()) };
                    if *index == array.len() {
                        array.push(Self::Null);
                    }
                    value = array.get_mut(*index).ok_or_else(refused)?;
                }
            }
        }
        *value = new;
        Ok(())
    }

    /// Takes the member at `path` out of its object; `None` when there was none.
    pub fn remove(&mut self, path: &Path) -> Option<Self> {
        let (last, before) = path.steps.split_last()?;
        let PathStep::Member(name) = last else { return None };
        let mut value = self;
        for step in before {
            value = match (step, value) {
                (PathStep::Member(name), Self::Object(object)) => object.get_mut(name)?,
                (PathStep::Element(index), Self::Array(array)) => array.get_mut(*index)?,
                _ => return None,
            };
        }
        value.as_object_mut()?.remove(name)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let error = |at: usize, what| PathError { text: text.chars().take(80).collect(), at: at + 1, what };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || steps.is_empty() {
            let at = text.len() - rest.len();
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = bracket(inner).ok_or_else(|| error(at, "write `[0]` or `[\"name\"]`"))?;
                steps.push(step);
                rest = after;
            } else {
                let dotted = if steps.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
                let name_on = dotted.ok_or_else(|| error(at, "a dot is missing"))?;
                let end = name_on.find(|sign| !is_name_sign(sign)).unwrap_or(name_on.len());
                if end == 0 {
                    return Err(error(text.len() - name_on.len(), "a name is missing"));
                }
                let (name, after) = name_on.split_at(end);
                steps.push(PathStep::Member(Text::new(name)));
                rest = after;
            }
            if steps.len() > limits::VALUE_DEPTH_MAX {
                return Err(error(at, "it is deeper than a value can be"));
            }
        }
        Ok(Self { steps })
    }
}

fn is_name_sign(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '-' | '$')
}

/// Reads `0]…` or `"name"]…` behind an opening bracket.
fn bracket(inner: &str) -> Option<(PathStep, &str)> {
    if let Some(quoted) = inner.strip_prefix('"') {
        let (name, after) = quoted.split_once("\"]")?;
        return Some((PathStep::Member(Text::new(name)), after));
    }
    let (index, after) = inner.split_once(']')?;
    Some((PathStep::Element(index.parse().ok()?), after))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            match step {
                PathStep::Element(index) => write!(f, "[{index}]")?,
                PathStep::Member(name) if name.is_empty() || !name.chars().all(is_name_sign) => {
                    write!(f, "[\"{name}\"]")?;
                }
                PathStep::Member(name) if place == 0 => f.write_str(name)?,
                PathStep::Member(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Path {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no path to a property: {what} at position {at}")]
pub struct PathError {
    text: String,
    at: usize,
    what: &'static str,
}

/// A path that cannot be written in the value at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot set `{path}`: on the way stands a value of type {found}, not an {wanted}")]
pub struct SetError {
    path: String,
    found: &'static str,
    wanted: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse_json;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn paths_are_read_and_written_alike() {
        for text in ["a", "a.b", "a[0].b", "a[\"b c\"].d", "$httpRequestId", "data.cur-temp_1", "[\"\"]"] {
            assert_eq!(path(text).to_string(), text);
        }
        for (text, what) in
            [("", "a name is missing"), ("a..b", "a name is missing"), ("a[x]", "write"), ("a b", "a dot")]
        {
            let error = text.parse::<Path>().unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn values_are_found_set_and_removed_by_path() {
        let mut value = parse_json(br#"{"a":{"b":[{"c":1}]}}"#).unwrap();
        assert_eq!(value.at(&path("a.b[0].c")), Some(&Value::from(1)));
        assert_eq!(value.at(&path("a.b[1].c")), None);
        assert_eq!(value.at(&path("a.x.y")), None);
        value.set(&path("a.b[1].d"), Value::from(2)).unwrap();
        value.set(&path("x.y"), Value::from(3)).unwrap();
        assert_eq!(value.to_json(), r#"{"a":{"b":[{"c":1},{"d":2}]},"x":{"y":3}}"#);
        assert_eq!(value.remove(&path("a.b[0].c")), Some(Value::from(1)));
        assert_eq!(value.remove(&path("a.b[0].c")), None);
        assert_eq!(
            value.set(&path("x.y.z"), Value::Null).unwrap_err().to_string(),
            "cannot set `x.y.z`: on the way stands a value of type number, not an object"
        );
        assert!(value.set(&path("a.b[7]"), Value::Null).is_err());
    }
}
