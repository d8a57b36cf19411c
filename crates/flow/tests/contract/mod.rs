//! The part of the module contract that holds for any list of modules. The test that takes it in names the list `MODULES`
//! and the `harness`.

use std::collections::BTreeSet;

use flow::check::Severity;
use flow::module::{Built, Direction, Failure, ModuleKind};
use message::{Bytes, Object, Value};
use serde_json::{Map, Value as Json};

use super::MODULES;
use super::harness::{self, World, now};

#[test]
fn every_module_is_named_once_and_says_what_it_does() {
    let mut names = BTreeSet::new();
    for kind in MODULES {
        let name = kind.type_name();
        assert!(names.insert(name), "{name} is in the list twice");
        assert!(name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '-'), "{name}");
        let summary = kind.summary();
        assert!(summary.ends_with('.') && summary.len() < 80, "{name}: {summary}");
    }
}

#[test]
fn the_example_is_read_checked_and_built() {
    for kind in MODULES {
        let name = kind.type_name();
        let found = harness::check(*kind, kind.example());
        let errors: Vec<_> = found.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let built = World::new().build(*kind, kind.example());
        assert_eq!(
            matches!(built, Built::Inbound(_)),
            kind.direction() == Direction::Inbound,
            "{name} built {built:?}"
        );
    }
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for kind in MODULES {
        let mut settings = harness::settings(kind.example());
        settings.insert("nonsense_key".to_owned(), Json::from(1));
        let error = kind.parse(&settings).unwrap_err();
        assert!(error.what.contains("nonsense_key"), "{}: {}", kind.type_name(), error.what);
    }
}

#[test]
fn a_setting_of_the_wrong_type_is_refused_at_its_place() {
    for kind in MODULES {
        let example = harness::settings(kind.example());
        for key in example.keys() {
            let mut settings = example.clone();
            settings.insert(key.clone(), serde_json::json!([{ "wrong": [] }]));
            if let Err(error) = kind.parse(&settings) {
                assert!(error.path.starts_with(key.as_str()), "{} {key}: `{}`", kind.type_name(), error.path);
                assert!(!error.what.is_empty(), "{} {key}", kind.type_name());
            }
        }
    }
}

#[test]
fn the_schema_describes_the_module_and_every_setting_and_refuses_other_keys() {
    for kind in MODULES {
        let schema = Json::from(kind.settings_schema());
        let name = kind.type_name();
        let manual = schema.get("description").and_then(Json::as_str).unwrap_or_default();
        assert!(manual.contains("**Failure**") && manual.contains("**Message out**"), "{name}: {manual}");
        described(name, &schema);
        for (definition, schema) in schema.get("$defs").and_then(Json::as_object).into_iter().flatten() {
            assert!(schema.get("description").is_some(), "{name}: {definition} is not described");
            described(&format!("{name}.{definition}"), schema);
        }
    }
}

/// Every property of an object, and every word of a choice, has a description.
fn described(at: &str, schema: &Json) {
    let properties = schema.get("properties").and_then(Json::as_object).cloned().unwrap_or_else(Map::new);
    if !properties.is_empty() {
        assert_eq!(schema.get("additionalProperties"), Some(&Json::Bool(false)), "{at} takes unknown keys");
    }
    for (key, property) in &properties {
        let description = property.get("description").and_then(Json::as_str).unwrap_or_default();
        assert!(description.len() > 10, "{at}.{key} is not described: {property}");
    }
    for choice in schema.get("oneOf").and_then(Json::as_array).into_iter().flatten() {
        assert!(choice.get("description").is_some(), "{at}: {choice} is not described");
    }
}

#[test]
fn ports_begin_with_out_are_named_once_and_never_error() {
    for kind in MODULES {
        let parsed = kind.parse(&harness::settings(kind.example())).unwrap();
        let ports = kind.ports(&parsed);
        assert_eq!(ports.first().map(message::Text::as_str), Some("out"), "{}", kind.type_name());
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len(), "{}: {ports:?}", kind.type_name());
        assert!(!ports.iter().any(|port| port == "error"), "{}", kind.type_name());
    }
}

/// Messages as nobody expects them.
pub(super) fn odd_messages() -> Vec<Value> {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let mut messages: Vec<Value> = [
        "null",
        "true",
        "0",
        "-1.5e300",
        "18446744073709551615",
        "\"\"",
        "\"text\"",
        "[]",
        "[null,{},[]]",
        "{}",
        r#"{"data":null}"#,
        r#"{"data":[]}"#,
        r#"{"data":{"temperature":"hot","machine":{},"line":[1]}}"#,
        r#"{"data":{"readings":[[]],"raw":1e308,"machine":"m","line":"a/#"}}"#,
        r#"{"temperature":1,"line":null,"headwater":7}"#,
        r#"{"$httpRequestId":{},"data":"x","line":"\n"}"#,
        &nested(120),
    ]
    .iter()
    .map(|text| harness::itinerary(text).message)
    .collect();
    messages.push(Value::Float(f64::NAN));
    messages.push(Value::from(Bytes::from_static(&[0, 0xff, 0x1f, 0x8b])));
    messages.push(Value::Object([("data", Value::from(Bytes::from_static(&[0x1f, 0x8b, 8])))].into_iter().collect()));
    messages.push(Value::Time(now(0).wall));
    messages
        .push(Value::Object((0..100).map(|number| (format!("key {number}"), Value::from(number))).collect::<Object>()));
    messages
}

/// Whatever a module was given, it passes on by its ports, or fails in words and gives back what it got.
pub(super) fn check_result(
    kind: &dyn ModuleKind,
    ports: usize,
    message: &Value,
    result: Result<Vec<(usize, flow::run::Itinerary)>, Failure>,
) {
    let name = kind.type_name();
    match result {
        Ok(passed) => assert!(passed.iter().all(|(port, _)| *port < ports), "{name} {message}"),
        Err(failure) => {
            let what = failure.what().to_owned();
            let begins = what.chars().next().unwrap_or_default();
            assert!(begins.is_lowercase() || begins == '`', "{name} {message}: `{what}`");
            assert!(!what.ends_with('.') && what.len() < 600, "{name} {message}: `{what}`");
            let (kept, _) = failure.into_parts();
            // Not by value, as NaN is no equal of itself.
            assert_eq!(kept.message.to_json(), message.to_json(), "{name} failed and changed the message");
        }
    }
}
