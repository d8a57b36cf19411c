//! What a reader of settings complains of, in the words of people who write flows.

use super::nearest;

/// Turns a complaint of serde into what is wrong and what to do.
pub(crate) fn explain(complaint: &str) -> (String, String) {
    let names: Vec<&str> = complaint.split('`').skip(1).step_by(2).collect();
    let (name, expected) = names.split_first().map_or(("", [].as_slice()), |(name, rest)| (*name, rest));
    let known = || nearest::hint(name, expected.iter().copied(), "take it out");
    if complaint.starts_with("unknown field") {
        return (format!("unknown key `{name}`"), known());
    }
    if complaint.starts_with("unknown variant") {
        return (format!("`{name}` is not known here"), known());
    }
    if complaint.starts_with("missing field") {
        return (format!("`{name}` is missing"), format!("add `{name}`"));
    }
    if let Some(rest) = complaint.strip_prefix("invalid type: ").or_else(|| complaint.strip_prefix("invalid value: "))
        && let Some((found, expected)) = rest.rsplit_once(", expected ")
    {
        return (format!("{} is not what belongs here", in_words(found)), format!("give {}", in_words(expected)));
    }
    (complaint.to_owned(), String::new())
}

/// A type or value as serde names it, in words.
fn in_words(text: &str) -> String {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let kind = match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "integer" | "floating" => "the number",
        "string" if rest.is_empty() => "a text",
        "string" => "the text",
        "bool" | "boolean" if rest.is_empty() => "true or false",
        "boolean" => "the value",
        "map" => "a table",
        "sequence" => "an array",
        "struct" => return "a table".to_owned(),
        "null" => "nothing",
        "a" if rest == "boolean" => return "true or false".to_owned(),
        "a" if rest == "string" => return "a text".to_owned(),
        "a" if rest == "map" => return "a table".to_owned(),
        "a" if rest == "sequence" => return "an array".to_owned(),
        _ => return text.to_owned(),
    };
    let rest = rest.strip_prefix("point ").unwrap_or(rest);
    if rest.is_empty() { kind.to_owned() } else { format!("{kind} {}", rest.chars().take(80).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_become_plain_words() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Settings {
            #[serde(rename = "topic")]
            _topic: String,
            #[serde(default, rename = "qos")]
            _qos: u8,
            #[serde(default, rename = "kind")]
            _kind: Kind,
            #[serde(default, rename = "retain")]
            _retain: bool,
        }
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            #[default]
            Json,
            Raw,
        }
        for (json, what, hint) in [
            (r#"{"topc":"a"}"#, "unknown key `topc`", "did you mean `topic`?"),
            (r#"{"x":"a"}"#, "unknown key `x`", "known: `topic`, `qos`, `kind`, `retain`"),
            (r#"{}"#, "`topic` is missing", "add `topic`"),
            (r#"{"topic":1}"#, "the number `1` is not what belongs here", "give a text"),
            (
                r#"{"topic":"a","qos":"1"}"#,
                "the text \"1\" is not what belongs here",
                "give a whole number that is not negative",
            ),
            (
                r#"{"topic":"a","qos":-1}"#,
                "the number `-1` is not what belongs here",
                "give a whole number that is not negative",
            ),
            (r#"{"topic":"a","kind":"jsn"}"#, "`jsn` is not known here", "did you mean `json`?"),
            (r#"{"topic":"a","retain":"yes"}"#, "the text \"yes\" is not what belongs here", "give true or false"),
            (r#"{"topic":{}}"#, "a table is not what belongs here", "give a text"),
        ] {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            let complaint = serde_json::from_value::<Settings>(value).unwrap_err().to_string();
            assert_eq!(explain(&complaint), (what.to_owned(), hint.to_owned()), "{complaint}");
        }
    }
}
