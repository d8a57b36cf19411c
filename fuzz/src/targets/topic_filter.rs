//! Topic filters against a matcher that is as simple as the specification's words.

use message::{TopicFilter, TopicName};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "topic_filter",
    what: "a filter is taken and matches exactly when MQTT 5.0 sections 4.7 and 4.8.2 say so",
    run,
    seeds: &[
        b"a/+/c\na/b/c",
        b"#\n$SYS/a",
        b"+/+\n/a",
        b"a/#\na",
        b"$share/g/a/#\na/b",
        b"$SYS/+\n$SYS/x",
        b"a//+\na//",
        b"$share/g\na",
    ],
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (filter, topic) = text.split_once('\n').unwrap_or((text, "a"));
    let (parsed, name) = (TopicFilter::parse(filter), TopicName::parse(topic));
    let levels_fit = |text: &str| text.split('/').count() <= message::limits::TOPIC_LEVELS_MAX;
    let pattern = pattern(filter);
    let valid = pattern.is_some_and(|pattern| is_valid(pattern) && levels_fit(pattern));
    assert_eq!(parsed.is_ok(), valid, "{filter:?}");
    let named = !topic.is_empty() && !topic.contains(['+', '#', '\0']) && levels_fit(topic);
    assert_eq!(name.is_ok(), named, "{topic:?}");
    if let (Ok(parsed), Ok(name), Some(pattern)) = (parsed, name, pattern) {
        assert_eq!(parsed.as_str(), filter);
        let levels: Vec<&str> = topic.split('/').collect();
        let pattern: Vec<&str> = pattern.split('/').collect();
        let hidden = topic.starts_with('$') && matches!(pattern.first(), Some(&("+" | "#")));
        assert_eq!(parsed.matches(&name), !hidden && matches(&pattern, &levels), "{filter:?} and {topic:?}");
    }
}

/// The filter behind `$share/{group}/`, if the group is one.
fn pattern(filter: &str) -> Option<&str> {
    let Some(shared) = filter.strip_prefix("$share/") else { return Some(filter) };
    let (group, pattern) = shared.split_once('/')?;
    (!group.is_empty() && !group.contains(['+', '#'])).then_some(pattern)
}

fn is_valid(pattern: &str) -> bool {
    let levels: Vec<&str> = pattern.split('/').collect();
    let lonely = |level: &&str| matches!(*level, "+" | "#") || !level.contains(['+', '#']);
    let last = levels.len() - 1;
    let ends = levels.iter().enumerate().all(|(place, level)| *level != "#" || place == last);
    !pattern.is_empty() && !pattern.contains('\0') && levels.iter().all(lonely) && ends
}

fn matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        (["#"], _) | ([], []) => true,
        (["+", pattern @ ..], [_, topic @ ..]) => matches(pattern, topic),
        ([level, pattern @ ..], [name, topic @ ..]) if level == name => matches(pattern, topic),
        _ => false,
    }
}
