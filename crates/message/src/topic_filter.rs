//! What a subscriber asks for: topics by pattern, MQTT 5.0 sections 4.7 and 4.8.2.

use std::fmt;

use bytestring::ByteString;

use crate::{TopicName, limits};

/// A topic filter, valid by construction: `+` stands for one whole level, `#` for the rest and only at the end.
/// `$share/{group}/{filter}` shares the subscription among the members of a group.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter {
    text: ByteString,
    /// Where the pattern begins in `text`: 0, or behind `$share/{group}/`.
    pattern_start: usize,
}

const SHARE_PREFIX: &str = "$share/";

impl TopicFilter {
    /// Checks and copies a text.
    pub fn parse(text: &str) -> Result<Self, TopicFilterError> {
        Self::from_byte_string(ByteString::from(text))
    }

    /// Checks a text from the wire and shares its bytes.
    pub fn from_byte_string(text: ByteString) -> Result<Self, TopicFilterError> {
        if text.is_empty() {
            return Err(TopicFilterError::Empty);
        }
        if text.len() > limits::TOPIC_BYTES_MAX {
            return Err(TopicFilterError::TooLong { bytes: text.len() });
        }
        let pattern_start = match text.strip_prefix(SHARE_PREFIX) {
            None => 0,
            Some(rest) => {
                let (group, pattern) = rest.split_once('/').ok_or(TopicFilterError::ShareIncomplete)?;
                if group.is_empty() || pattern.is_empty() {
                    return Err(TopicFilterError::ShareIncomplete);
                }
                if group.contains(['+', '#']) {
                    return Err(TopicFilterError::ShareGroupWildcard);
                }
                text.len() - pattern.len()
            }
        };
        let filter = Self { text, pattern_start };
        check_pattern(filter.pattern())?;
        Ok(filter)
    }

    /// The whole text, with `$share/{group}/` if it has one.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern that topics are held against, without `$share/{group}/`.
    pub fn pattern(&self) -> &str {
        self.text.get(self.pattern_start..).unwrap_or_default()
    }

    /// Whether this names a queue or a stream, as in `$queue/orders` or `$share/workers/$stream/telemetry`, and no topics.
    pub fn is_of_destination(&self) -> bool {
        let text = self.pattern();
        text.starts_with("$queue/") || text.starts_with("$stream/")
    }

    /// The group's name, if the subscription is shared.
    pub fn share_group(&self) -> Option<&str> {
        self.text.strip_prefix(SHARE_PREFIX)?.split('/').next()
    }

    /// Whether the pattern holds `+` or `#`.
    pub fn has_wildcard(&self) -> bool {
        self.pattern().contains(['+', '#'])
    }

    /// The levels of the pattern.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.pattern().split('/')
    }

    /// A copy that shares nothing: for what is kept long.
    pub fn detach(&self) -> Self {
        Self { text: ByteString::from(&*self.text), pattern_start: self.pattern_start }
    }

    /// Whether a message published to `topic` is meant. A leading wildcard does not match a topic that begins with `$`.
    pub fn matches(&self, topic: &TopicName) -> bool {
        let pattern = self.pattern();
        if topic.is_reserved() && pattern.starts_with(['+', '#']) {
            return false;
        }
        let mut topic_levels = topic.levels();
        for level in pattern.split('/') {
            match (level, topic_levels.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (level, Some(topic_level)) if level == topic_level => {}
                _ => return false,
            }
        }
        topic_levels.next().is_none()
    }
}

fn check_pattern(pattern: &str) -> Result<(), TopicFilterError> {
    if pattern.contains('\0') {
        return Err(TopicFilterError::Nul);
    }
    let mut levels = 0;
    let mut ended = false;
    for level in pattern.split('/') {
        levels += 1;
        if ended {
            return Err(TopicFilterError::HashNotLast);
        }
        match level {
            "#" => ended = true,
            "+" => {}
            level if level.contains('#') => return Err(TopicFilterError::HashNotAlone),
            level if level.contains('+') => return Err(TopicFilterError::PlusNotAlone),
            _ => {}
        }
    }
    if levels > limits::TOPIC_LEVELS_MAX {
        return Err(TopicFilterError::TooDeep { levels });
    }
    Ok(())
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

/// Why a text is no topic filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicFilterError {
    #[error("the topic filter is empty")]
    Empty,
    #[error("the topic filter has {bytes} bytes: at most {} are allowed", limits::TOPIC_BYTES_MAX)]
    TooLong { bytes: usize },
    #[error("the topic filter has {levels} levels: at most {} are allowed", limits::TOPIC_LEVELS_MAX)]
    TooDeep { levels: usize },
    #[error("`#` must be the last level of the topic filter")]
    HashNotLast,
    #[error("`#` must stand alone in its level of the topic filter")]
    HashNotAlone,
    #[error("`+` must stand alone in its level of the topic filter")]
    PlusNotAlone,
    #[error("the topic filter holds a NUL character")]
    Nul,
    #[error("a shared subscription is written `$share/{{group}}/{{filter}}`")]
    ShareIncomplete,
    #[error("the group of a shared subscription may not hold `+` or `#`")]
    ShareGroupWildcard,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(filter: &str, topic: &str) -> bool {
        TopicFilter::parse(filter).unwrap().matches(&TopicName::parse(topic).unwrap())
    }

    #[test]
    fn wildcards_match_as_the_specification_says() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("#", "/"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("sport/+", "sport/"),
            ("$SYS/#", "$SYS/a"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
            ("$share/g/a/+", "a/b"),
        ] {
            assert!(matches(filter, topic), "{filter} should match {topic}");
        }
        for (filter, topic) in [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/a"),
            ("+/monitor/Clients", "$SYS/monitor/Clients"),
            ("a", "A"),
            ("a/b", "a"),
            ("a", "a/b"),
        ] {
            assert!(!matches(filter, topic), "{filter} should not match {topic}");
        }
    }

    #[test]
    fn misplaced_wildcards_are_refused_by_name() {
        for (text, error) in [
            ("", TopicFilterError::Empty),
            ("a/#/b", TopicFilterError::HashNotLast),
            ("a#", TopicFilterError::HashNotAlone),
            ("a/b+", TopicFilterError::PlusNotAlone),
            ("a\0", TopicFilterError::Nul),
            ("$share/g", TopicFilterError::ShareIncomplete),
            ("$share//a", TopicFilterError::ShareIncomplete),
            ("$share/g/", TopicFilterError::ShareIncomplete),
            ("$share/+/a", TopicFilterError::ShareGroupWildcard),
        ] {
            assert_eq!(TopicFilter::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_share_is_taken_apart() {
        let filter = TopicFilter::parse("$share/workers/jobs/#").unwrap();
        assert_eq!(filter.share_group(), Some("workers"));
        assert_eq!(filter.pattern(), "jobs/#");
        assert_eq!(TopicFilter::parse("jobs/#").unwrap().share_group(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_without_a_panic(text in ".{0,40}") {
            if let Ok(filter) = TopicFilter::parse(&text) {
                prop_assert_eq!(filter.as_str(), text);
            }
        }

        #[test]
        fn a_filter_without_wildcards_matches_only_itself(a in "[a-c/]{1,6}", b in "[a-c/]{1,6}") {
            prop_assert_eq!(matches(&a, &b), a == b);
        }
    }
}
