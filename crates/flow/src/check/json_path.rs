//! Paths such as `values.temperature[0]`, as complaints about settings name them.

use serde_json::Value as Json;

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// Takes the value at a path out and says whether there was one.
pub(crate) fn remove_from_json(value: &mut Json, path: &str) -> bool {
    let Some((step, after)) = next_step(value, path) else { return false };
    let step = match step {
        Step::Member(name) => Ok(name.to_owned()),
        Step::Element(index) => Err(index),
    };
    match (value, step) {
        (Json::Object(members), Ok(name)) if after.is_empty() => members.shift_remove(&name).is_some(),
        (Json::Object(members), Ok(name)) => {
            members.get_mut(&name).is_some_and(|member| remove_from_json(member, after))
        }
        (Json::Array(elements), Err(index)) if after.is_empty() => {
            let found = index < elements.len();
            if found {
                elements.remove(index);
            }
            found
        }
        (Json::Array(elements), Err(index)) => {
            elements.get_mut(index).is_some_and(|element| remove_from_json(element, after))
        }
        _ => false,
    }
}

/// The first step of a path from `value`. A key may itself hold a dot: the longest key that fits is meant.
fn next_step<'v, 'p>(value: &'v Json, path: &'p str) -> Option<(Step<'v>, &'p str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    match value {
        Json::Object(members) => members
            .keys()
            .filter_map(|key| {
                let after = path.strip_prefix(key.as_str())?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some((Step::Member(key), after))
            })
            .min_by_key(|(_, after)| after.len()),
        Json::Array(_) => {
            let (index, after) = path.strip_prefix('[')?.split_once(']')?;
            Some((Step::Element(index.parse().ok()?), after))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_taken_out_is_gone_and_the_rest_stays() {
        let mut value = json!({"a": [{"x": 1, "y": 2}, 3]});
        assert!(remove_from_json(&mut value, "a[0].x"));
        assert!(!remove_from_json(&mut value, "a[0].x"));
        assert!(!remove_from_json(&mut value, "a[9]"));
        assert!(!remove_from_json(&mut value, ""));
        assert_eq!(value, json!({"a": [{"y": 2}, 3]}));
        assert!(remove_from_json(&mut value, "a[1]"));
        assert_eq!(value, json!({"a": [{"y": 2}]}));
    }

    #[test]
    fn a_key_may_hold_a_dot() {
        let mut value = json!({"a": {"b": 1}, "a.b": 2});
        assert!(remove_from_json(&mut value, "a.b"));
        assert_eq!(value, json!({"a": {"b": 1}}));
        assert!(remove_from_json(&mut value, "a.b"));
        assert_eq!(value, json!({"a": {}}));
    }
}
