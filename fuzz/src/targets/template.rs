//! Templates in settings, and spans of time: read or refused, and written as they read.

use flow::{Template, ValueTemplate};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "template",
    what: "a template keeps its text, and as a filter it matches what it may become",
    run,
    seeds: &[
        b"factory/{data.line}/temperature",
        b"{message}",
        b"{{literal}} {variables.x}{context.flow}{env.A}",
        b"{a[0]}",
    ],
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(template) = text.parse::<Template>() {
        assert_eq!(template.source(), text);
        assert!(template.as_topic_filter().len() <= text.len().max(1));
        assert!(template.variables().count() + template.literals().count() <= text.len());
    }
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(data)
        && let Ok(template) = ValueTemplate::new(json.clone())
    {
        assert_eq!(serde_json::to_value(&template).ok(), Some(json));
    }
}
